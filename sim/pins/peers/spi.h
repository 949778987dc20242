// The other side of SPI: an FTDI chip with its MPSSE (AN_108), and the flash memory that shares the
// pins. Python sends the chip's commands and gets its answers.

#pragma once

#include "side.h"

class Peer : public pins::Side {
public:
    // Of the flash memory: commands but sleep that it took while awake; times it was woken.
    uint64_t commands = 0, woken = 0;
    bool asleep = false;

    explicit Peer(Vboard& top) : top(top) {
        top.sck_i = 0;
        top.cs_n_i = 1;
        top.copi_i = 0;
    }

    uint64_t next() const { return event; }

    void act() {
        event = pins::NEVER;
        if (bits) edge();
        if (!bits) command();
    }

    void see() {
        if (event == pins::NEVER && !in.empty()) event = now;
    }

    bool busy() const { return event != pins::NEVER || bits; }

private:
    static constexpr int SCK = 0x01, COPI = 0x02, CS_N = 0x10;
    static constexpr uint64_t SET_PINS = 500'000;  // pyftdi: measured on an FT2232H
    static constexpr uint8_t FLASH_SLEEP = 0xB9, FLASH_WAKE = 0xAB;

    Vboard& top;
    uint64_t event = pins::NEVER;
    uint64_t half = 5 * pins::SECOND / 60'000'000;  // of a period of the clock
    uint64_t bits = 0;                              // of the exchange, still to come
    uint8_t shift = 0, received = 0;
    int flash_bits = 0;
    uint8_t flash = 0;

    // The next bytes of a command, if all of them are there.
    bool take(int count, uint8_t* bytes) {
        if (in.size() < size_t(count)) return false;
        for (int i = 0; i < count; ++i) bytes[i] = in[i];
        in.erase(in.begin(), in.begin() + count);
        return true;
    }

    void command() {
        uint8_t c[3];
        while (!in.empty()) {
            switch (in.front()) {
            case 0x80:  // pins: levels and directions; inputs are pulled up
                if (!take(3, c)) return;
                set(SCK, c, top.sck_i);
                set(COPI, c, top.copi_i);
                set(CS_N, c, top.cs_n_i);
                if (top.cs_n_i) flash_bits = 0;
                event = now + SET_PINS;
                return;
            case 0x82:  // the same of the upper pins, which lead nowhere
                if (!take(3, c)) return;
                break;
            case 0x31:  // bytes out at falling, in at rising edges
                if (!take(3, c)) return;
                bits = 8 * ((c[1] | c[2] << 8) + 1);
                occupy(bits);
                begin();
                return;
            case 0x86:  // the clock is 60 MHz divided by twice this
                if (!take(3, c)) return;
                half = (1 + (c[1] | c[2] << 8)) * pins::SECOND / 60'000'000 * scale;
                break;
            case 0x8A:  // without another divider by 5
                scale = 1;
                in.pop_front();
                break;
            case 0x8B:
                scale = 5;
                in.pop_front();
                break;
            case 0x85:  // no loopback
            case 0x87:  // answers go to USB at once
                in.pop_front();
                break;
            default:
                give(0xFA);
                give(in.front());
                in.pop_front();
            }
        }
    }

    uint64_t scale = 5;

    template <typename Pin>
    void set(int mask, const uint8_t* c, Pin& pin) { pin = !(c[2] & mask) || (c[1] & mask); }

    void occupy(uint64_t count) {
        for (int way = 0; way < 2; ++way) {
            wire[way] += count / 8;
            occupied[way] += 2 * half * count;
        }
    }

    // The next bit lies on the wire; the clock rises half a period later.
    void begin() {
        if (bits % 8 == 0) {
            shift = in.front();
            in.pop_front();
        }
        top.copi_i = shift >> 7;
        event = now + half;
    }

    void edge() {
        event = now + half;
        if (!top.sck_i) {
            top.sck_i = 1;
            received = received << 1 | (top.cipo_oe ? top.cipo_o & 1 : 1);
            if (!top.cs_n_i) flash_edge();
            return;
        }
        top.sck_i = 0;
        shift <<= 1;
        if (--bits % 8 == 0) give(received);
        if (bits) begin();
    }

    // The memory takes the first byte of each transfer for its command.
    void flash_edge() {
        if (flash_bits == 8) return;
        flash = flash << 1 | (top.copi_i & 1);
        if (++flash_bits < 8) return;
        if (flash == FLASH_WAKE) {
            ++woken;
            asleep = false;
        } else if (flash == FLASH_SLEEP) {
            asleep = true;
        } else if (!asleep && flash != 0) {
            ++commands;
        }
    }
};

// Runs until the chip has executed all commands that it has.
PINS_EXPORT void mpsse_run(void* handle) {
    Peer& peer = peer_of(handle);
    while (peer.next() != pins::NEVER) advance(handle, peer.next() - peer.now);
}

// Fills in whether the flash memory is asleep, commands that it took, and how often it was woken.
PINS_EXPORT void mpsse_flash(void* handle, uint64_t* values) {
    Peer& peer = peer_of(handle);
    values[0] = peer.asleep;
    values[1] = peer.commands;
    values[2] = peer.woken;
}
