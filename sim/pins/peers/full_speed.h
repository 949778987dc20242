// The other side of D+ and D-: a full-speed host, bit by bit, with a clock of its own.

#pragma once

#include "usb_host.h"

class Peer : public pins::Side {
public:
    explicit Peer(Vboard& top) : top(top) {}

    usb::Host host{*this, false, 1'000'000'000, 60'000'000, 64};

    uint64_t next() const { return std::min(bits.next(), sample); }

    void act() {
        if (now == sample) hear();
        if (now == bits.next() && bits.toggle()) tick();
    }

    void see() {
        bool driven = top.d_p_oe & 1;
        Line level = driven ? Line((top.d_p_o & 1) << 1 | (top.d_n_o & 1)) : held;
        if (driven && !talking) {
            talking = true;
            last = J;
        }
        if (level != line) {
            line = level;
            top.d_p_i = line >> 1;
            top.d_n_i = line & 1;
            // Bits are sampled in their middle, counted from the last edge.
            if (talking) sample = now + BIT / 2;
        }
        if (!driven && talking && sample == pins::NEVER) talking = false;
    }

    bool busy() const { return host.busy(); }

    // Pulls the plug: the wire falls silent.
    void unplug() {
        host.lose();
        waiting = false;
        script.clear();
        move(UNPLUGGED);
    }

    // Puts it in again.
    void plug() { move(NOTHING); }

private:
    enum Line : uint8_t { SE0 = 0, K = 1, J = 2, SE1 = 3 };
    enum State { NOTHING, ATTACHED, RESET, SETTLE, RUN, UNPLUGGED };

    static constexpr uint64_t BIT = pins::SECOND / 12'000'000;
    // In bits: USB 2.0, 7.1.18.1 and 7.1.19.1.
    static constexpr unsigned SYNC = 8, END = 3, TURN = 3, GAP = 4, TIMEOUT = 18;
    static constexpr unsigned SHORT = 240, RESET_BITS = 720;

    Vboard& top;
    pins::Clock bits{12'000'000, 1, 17'000};  // in no relation to the board's clocks
    uint64_t sample = pins::NEVER, ticks = 0, since = 0;
    State state = NOTHING;
    Line held = SE0, line = SE1;
    std::deque<Line> script;
    bool talking = false;  // the device drives the line
    Line last = J;
    std::vector<bool> heard;
    unsigned ones = 0, ends = 0;
    bool waiting = false;
    uint64_t free = 0, deadline = 0, began = 0;

    void move(State next) {
        state = next;
        since = ticks;
    }

    // A bit of the device.
    void hear() {
        sample = now + BIT;
        if (line == SE0) {
            ++ends;
            return;
        }
        if (ends) {
            finish();
            return;
        }
        bool bit = line == last;
        last = line;
        if (ones == 6) {
            ones = 0;  // a stuffed bit
            return;
        }
        if (heard.empty()) began = now - BIT / 2;
        heard.push_back(bit);
        ones = bit ? ones + 1 : 0;
        if (heard.size() > 8 * 1200) finish();
    }

    void finish() {
        usb::Bytes packet;
        for (size_t at = SYNC; at + 8 <= heard.size(); at += 8) {
            uint8_t byte = 0;
            for (int i = 0; i < 8; ++i) byte |= uint8_t(heard[at + i] << i);
            packet.push_back(byte);
        }
        wire[1] += packet.size() + 1 + 1;
        occupied[1] += now - began;
        heard.clear();
        ones = ends = 0;
        sample = pins::NEVER;
        talking = false;
        free = ticks + TURN;
        if (!waiting) return;
        waiting = false;
        host.answered(packet);
    }

    // A bit of the host.
    void tick() {
        ++ticks;
        uint64_t passed = ticks - since;
        if (!script.empty()) {
            held = script.front();
            script.pop_front();
        } else if (state != RUN) {
            held = state == RESET || state == UNPLUGGED || !(top.pullup_o & 1) ? SE0 : J;
        }
        see();
        switch (state) {
        case NOTHING:
            if (top.pullup_o & 1) move(ATTACHED);
            break;
        case ATTACHED:
            if (passed == SHORT) move(RESET);
            break;
        case RESET:
            if (passed == RESET_BITS) move(SETTLE);
            break;
        case SETTLE:
            if (passed == SHORT) {
                move(RUN);
                host.start(now);
            }
            break;
        case RUN:
            if (waiting && ticks > deadline && !talking) {
                waiting = false;
                host.answered({});
            }
            if (!waiting && !talking && script.empty() && ticks >= free) speak();
            break;
        case UNPLUGGED:
            break;
        }
    }

    void speak() {
        bool answer;
        const usb::Bytes* packet = host.next(now, answer);
        if (!packet) return;
        Line level = J;
        unsigned run = 0;
        auto send = [&](bool bit) {
            if (!bit) level = level == J ? K : J;
            script.push_back(level);
            run = bit ? run + 1 : 0;
            if (run == 6) {
                level = level == J ? K : J;
                script.push_back(level);
                run = 0;
            }
        };
        for (int i = 0; i < 8; ++i) send(i == 7);
        for (uint8_t byte : *packet)
            for (int i = 0; i < 8; ++i) send(byte >> i & 1);
        script.insert(script.end(), {SE0, SE0, J});
        wire[0] += packet->size() + 1 + 1;
        occupied[0] += script.size() * BIT;
        uint64_t done = ticks + script.size();
        waiting = answer;
        deadline = done + TIMEOUT;
        free = done + GAP;
    }
};

#include "usb_exports.h"
