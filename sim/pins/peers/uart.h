// The other side of a UART: 8N1, at a rate that can change.

#pragma once

#include "side.h"

class Peer : public pins::Side {
public:
    explicit Peer(Vboard& top) : top(top) { top.rx_i = 1; }

    uint64_t next() const { return next_bit < next_sample ? next_bit : next_sample; }

    void act() {
        if (now == next_sample) sample();
        if (now == next_bit) send();
    }

    void see() {
        if (next_bit == pins::NEVER && !in.empty() && !held) next_bit = now;
        if (next_sample == pins::NEVER && !(top.tx_o & 1)) {
            received = 0;
            receive_bits = 0;
            next_sample = now + bit / 2;  // bits are sampled in their middle
        }
    }

    bool busy() const { return next_bit != pins::NEVER || next_sample != pins::NEVER; }

    void set_bit(uint64_t duration) { bit = duration; }

    // Holds the line at a level, in place of bytes.
    void hold(bool level, bool on) {
        held = on;
        send_bits = 0;
        next_bit = next_sample = pins::NEVER;
        top.rx_i = level;
    }

private:
    static constexpr int FRAME_BITS = 10;  // start, 8 data, stop

    Vboard& top;
    uint64_t bit = pins::SECOND / 115200;
    bool held = false;
    uint64_t next_bit = pins::NEVER, next_sample = pins::NEVER;
    uint32_t sending = 0, received = 0;  // the next bit to send is bit 0
    int send_bits = 0, receive_bits = 0;

    void send() {
        uint8_t byte;
        if (send_bits == 0 && take(byte)) {
            sending = 0x200u | uint32_t(byte) << 1;
            send_bits = FRAME_BITS;
            ++wire[0];
            occupied[0] += FRAME_BITS * bit;
        }
        if (send_bits == 0) {
            next_bit = pins::NEVER;
            return;
        }
        top.rx_i = sending & 1;
        sending >>= 1;
        --send_bits;
        next_bit = now + bit;
    }

    void sample() {
        bool line = top.tx_o & 1;
        received |= uint32_t(line) << receive_bits;
        next_sample = now + bit;
        if (++receive_bits < FRAME_BITS) return;
        // Without a stop bit there is no byte: the rate changed, or the line is held.
        next_sample = pins::NEVER;
        if ((received & 1) != 0 || !line) return;
        ++wire[1];
        occupied[1] += FRAME_BITS * bit;
        give(uint8_t(received >> 1));
    }
};

// Sets the duration of a bit in ps, from the next bit on.
PINS_EXPORT void uart_set_bit(void* handle, uint64_t duration) { peer_of(handle).set_bit(duration); }

// Sends a break: the line is low, then high, for `duration` each.
PINS_EXPORT void uart_break(void* handle, uint64_t duration) {
    peer_of(handle).hold(false, true);
    advance(handle, duration);
    peer_of(handle).hold(true, true);
    advance(handle, duration);
    peer_of(handle).hold(true, false);
}
