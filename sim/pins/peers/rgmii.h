// The other side of a PHY with RGMII, at 1 Gbit/s: frames in both directions, with preamble, FCS and
// gap, at the rate of the wire. It makes the clock for the board's receiver.
//
// Bytes from and to Python are records: the length of a frame (2 bytes, the low one first), flags,
// and the frame from its MAC header on, without FCS.

#pragma once

#include <vector>

#include "side.h"

class Peer : public pins::Side {
public:
    explicit Peer(Vboard& top) : top(top) {
        top.rx_clk_i = 0;
        receive(0xd, 0);
    }

    uint64_t next() const { return edge; }

    // Data changes in the same instant as the clock: registers take the new data, as those of a
    // board take the data that came before a delayed clock.
    void act() {
        high = !high;
        top.rx_clk_i = high;
        if (high) begin_byte();
        bool valid = sending && place < wire_in.size();
        // Between frames a PHY sends its status: link up, 1 Gbit/s, full duplex.
        uint8_t byte = valid ? wire_in[place] : 0xdd;
        receive(high ? byte & 15 : byte >> 4, valid);
        edge += HALF;
    }

    void see() {
        if (bool(top.tx_clk_o & 1) == tx_high) return;
        tx_high = !tx_high;
        uint8_t nibble = top.tx_data_o & 15;
        bool valid = transmitted();
        if (tx_high) {
            low = nibble;
            first = valid;
        } else if (first != valid) {
            broken = true;
        } else if (valid) {
            wire_out.push_back(uint8_t(nibble << 4 | low));
        } else if (!wire_out.empty()) {
            end_frame();
        }
    }

    bool busy() const { return sending || !wire_out.empty(); }

private:
    static constexpr uint64_t HALF = 4000;  // half a period in ps
    static constexpr size_t UNPADDED = 60, GAP = 12, PREAMBLE = 8, FCS = 4;
    static constexpr uint8_t RAW = 1;  // the record holds all bytes of the wire

    Vboard& top;
    uint64_t edge = HALF;
    bool high = false, sending = false;
    std::vector<uint8_t> wire_in;
    size_t place = 0;  // in ``wire_in`` and the gap behind it
    bool tx_high = false, first = false, broken = false;
    uint8_t low = 0;
    std::vector<uint8_t> wire_out;

    // Boards spell the control pins in two ways.
    template <class Top>
    static auto rx_ctl(Top& top, int) -> decltype((top.rx_ctl_i)) { return top.rx_ctl_i; }
    template <class Top>
    static auto rx_ctl(Top& top, long) -> decltype((top.rx_ctrl_i)) { return top.rx_ctrl_i; }
    template <class Top>
    static auto tx_ctl(Top& top, int) -> decltype((top.tx_ctl_o)) { return top.tx_ctl_o; }
    template <class Top>
    static auto tx_ctl(Top& top, long) -> decltype((top.tx_ctrl_o)) { return top.tx_ctrl_o; }

    void receive(uint8_t nibble, bool valid) {
        top.rx_data_i = nibble;
        rx_ctl(top, 0) = valid;
    }

    bool transmitted() const { return tx_ctl(top, 0) & 1; }

    void begin_byte() {
        if (sending && ++place < wire_in.size() + GAP) return;
        sending = false;
        if (in.size() < 3) return;
        size_t length = in[0] | size_t(in[1]) << 8;
        if (in.size() < 3 + length) return;
        uint8_t flags = in[2];
        std::vector<uint8_t> frame(in.begin() + 3, in.begin() + 3 + length);
        in.erase(in.begin(), in.begin() + 3 + length);
        wire_in.clear();
        if (!(flags & RAW)) {
            wire_in.assign(PREAMBLE, 0x55);
            wire_in.back() = 0xd5;
            if (frame.size() < UNPADDED) frame.resize(UNPADDED);
            uint32_t fcs = crc(frame, frame.size());
            for (size_t i = 0; i < FCS; ++i) frame.push_back(uint8_t(fcs >> 8 * i));
        }
        wire_in.insert(wire_in.end(), frame.begin(), frame.end());
        sending = true;
        place = 0;
        count(0, wire_in.size());
    }

    // A frame of the board that is not right never reaches Python: nothing on a wire would take it.
    void end_frame() {
        std::vector<uint8_t> frame;
        frame.swap(wire_out);
        count(1, frame.size());
        bool good = !broken && frame.size() >= PREAMBLE + UNPADDED + FCS;
        broken = false;
        for (size_t i = 0; good && i < PREAMBLE; ++i) good = frame[i] == (i < 7 ? 0x55 : 0xd5);
        if (!good) return;
        frame.erase(frame.begin(), frame.begin() + PREAMBLE);
        size_t length = frame.size() - FCS;
        uint32_t fcs = crc(frame, length);
        for (size_t i = 0; i < FCS; ++i)
            if (frame[length + i] != uint8_t(fcs >> 8 * i)) return;
        out.push_back(uint8_t(length));
        out.push_back(uint8_t(length >> 8));
        out.push_back(0);
        out.insert(out.end(), frame.begin(), frame.begin() + length);
        ++arrivals;
    }

    void count(int direction, size_t bytes) {
        wire[direction] += bytes + GAP;
        occupied[direction] += (bytes + GAP) * 2 * HALF;
    }

    static uint32_t crc(const std::vector<uint8_t>& bytes, size_t length) {
        uint32_t value = ~0u;
        for (size_t i = 0; i < length; ++i) {
            value ^= bytes[i];
            for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        }
        return ~value;
    }
};
