// The other side of a ULPI bus: a PHY, and a high-speed host behind it.
//
// The PHY gives the clock, 60 MHz, while it is not in reset. Its outputs change half a period after
// the rising edge. Times are in its clocks: a byte on the wire takes one.

#pragma once

#include <deque>

#include "usb_host.h"

class Peer : public pins::Side {
public:
    explicit Peer(Vboard& top) : top(top) { top.clk_i = top.dir_i = top.nxt_i = 0; }

    usb::Host host{*this, true, 125'000'000, 10'200'000, 512};

    uint64_t next() const { return edge == pins::NEVER ? edge : clock.next(); }

    void act() {
        if (clock.toggle()) {
            tick(top.data_oe ? top.data_o : 0, top.stp_o & 1);
            top.clk_i = 1;
        } else {
            top.clk_i = 0;
            top.dir_i = bus.dir;
            top.nxt_i = bus.nxt;
            top.data_i = bus.dir ? bus.data : top.data_o;
        }
        edge = clock.next();
    }

    void see() {
        bool reset = top.rst_o & 1;
        if (reset) {
            edge = pins::NEVER;
        } else if (edge == pins::NEVER) {
            clock = pins::Clock(60'000'000, 1, now + START);
            edge = clock.next();
        }
    }

    bool busy() const { return host.busy(); }

    // Pulls the plug: the wire falls silent.
    void unplug() {
        host.lose();
        waiting = false;
        move(UNPLUGGED, SE0);
    }

    // Puts it in again.
    void plug() { move(NOTHING, SE0); }

private:
    struct Bus {
        bool dir, nxt;
        uint8_t data;
    };
    enum Link { IDLE, WRITE, STOP, SEND };
    enum State { NOTHING, ATTACHED, RESET, CHIRP, ANSWER, SETTLE, RUN, UNPLUGGED };
    enum Line : uint8_t { SE0 = 0, J = 1, K = 2 };

    static constexpr uint64_t START = 20'000'000;  // ps until the clock runs
    // ULPI 1.1, table 8 (delays of a PHY at high speed, in clocks) and USB 2.0, 7.1.18.2 and 7.1.19.
    static constexpr unsigned SYNC = 4, END = 1, END_OF_FRAME = 5;
    static constexpr unsigned RECEIVE_START = 5, RECEIVE_END = 5, SEND_START = 2;
    static constexpr unsigned HOST_TURN = 12, HOST_GAP = 11, TIMEOUT = 100;
    static constexpr unsigned SHORT = 1200, CHIRP_CLOCKS = 3000, CHIRPS = 6;

    Vboard& top;
    pins::Clock clock{60'000'000};
    uint64_t edge = pins::NEVER;
    uint64_t ticks = 0;
    Bus bus{false, false, 0};
    std::deque<Bus> script;  // what the PHY is going to say
    Link link = IDLE;
    uint8_t registers[64] = {};
    uint8_t command = 0;
    bool first = false;  // the command is on the bus, not what follows it
    State state = NOTHING;
    Line line = SE0, told = SE0;
    uint64_t since = 0;  // of the state of the wire
    unsigned chirps = 0;
    usb::Bytes sent;
    unsigned hold = 0, ones = 0, extra = 0;
    uint64_t free = 0, deadline = 0, began = 0;
    bool waiting = false;

    uint8_t receive_command(bool active) const { return uint8_t(line | 3 << 2 | active << 4); }

    void move(State next, Line level) {
        state = next;
        since = ticks;
        line = level;
    }

    void tick(uint8_t data, bool stop) {
        ++ticks;
        bool silent = link == IDLE && script.empty() && data == 0 && !bus.dir;
        if (!script.empty()) {
            bus = script.front();
            script.pop_front();
        } else {
            follow(data, stop);
        }
        run(silent);
        if (silent && script.empty() && line != told) {
            told = line;
            script.push_back({true, false, 0});
            script.push_back({true, false, receive_command(false)});
            script.push_back({false, false, 0});
        }
    }

    // The link's turn: writes of registers, and packets. A byte is taken with nxt.
    void follow(uint8_t data, bool stop) {
        bool taken = bus.nxt;
        bus = {false, false, 0};
        switch (link) {
        case IDLE:
            command = data;
            first = true;
            bus.nxt = data >> 6 == 1 || data >> 6 == 2;
            if (data >> 6 == 2) link = WRITE;
            if (data >> 6 == 1) {
                link = SEND;
                sent.clear();
                began = ticks + SEND_START;
                hold = 0;
                ones = 1;
                extra = 0;
                if (chirping()) line = told = K;
            }
            break;
        case WRITE:
            if (!taken) break;
            if (first) {
                bus.nxt = true;
            } else {
                registers[command & 63] = data;
                link = STOP;
            }
            first = false;
            break;
        case STOP:
            if (stop) link = IDLE;
            break;
        case SEND:
            if (stop) {
                finish();
                link = IDLE;
                break;
            }
            if (taken && first) {
                first = false;
                hold = SYNC - 1;
                data = usb::pid_byte(command & 15);
            }
            if (taken && !chirping()) {
                sent.push_back(data);
                stuff(data);
            }
            if (hold) {
                --hold;
            } else if (extra >= 8) {
                extra -= 8;
            } else {
                bus.nxt = true;
            }
            break;
        }
    }

    bool chirping() const { return link == SEND && (command & 15) == 0; }

    void stuff(uint8_t byte) {
        for (int i = 0; i < 8; ++i) {
            ones = byte >> i & 1 ? ones + 1 : 0;
            if (ones == 6) {
                ++extra;
                ones = 0;
            }
        }
    }

    // A packet of the device has left.
    void finish() {
        if (chirping()) {
            line = SE0;
            if (state == RESET) move(CHIRP, SE0);
            return;
        }
        uint64_t end = ticks + SEND_START + END;
        wire[1] += SYNC + sent.size() + END;
        occupied[1] += (end - began) * 1'000'000 / 60;
        if (waiting) {
            waiting = false;
            host.answered(sent);
        }
        free = end + HOST_TURN;
    }

    // The wire and the host.
    void run(bool silent) {
        uint64_t passed = ticks - since;
        uint8_t function = registers[4];
        bool pulled = (function & 0x1f) == 0x05;  // full speed, termination, normal
        switch (state) {
        case UNPLUGGED:
            break;
        case NOTHING:
            if (pulled) move(ATTACHED, J);
            break;
        case ATTACHED:
            if (passed == SHORT) move(RESET, SE0);
            break;
        case RESET:  // until the device chirps
            break;
        case CHIRP:
            if (passed == SHORT) {
                chirps = 0;
                move(ANSWER, K);
            }
            break;
        case ANSWER:
            if (passed == CHIRP_CLOCKS) {
                if (++chirps == CHIRPS) {
                    move(SETTLE, SE0);
                } else {
                    move(ANSWER, line == K ? J : K);
                }
            }
            break;
        case SETTLE:
            if (passed >= SHORT && (function & 0x1f) == 0) {
                move(RUN, SE0);
                host.start(now);
            }
            break;
        case RUN:
            if (waiting && ticks > deadline && link == IDLE) {
                waiting = false;
                host.answered({});
                free = ticks;
            }
            if (!waiting && silent && ticks >= free) speak();
            break;
        }
    }

    void speak() {
        bool answer;
        const usb::Bytes* packet = host.next(now, answer);
        if (!packet) return;
        unsigned end = (packet->front() & 15) == usb::SOF ? END_OF_FRAME : END;
        unsigned bits = usb::stuffed(*packet), length = unsigned(packet->size()) + bits / 8;
        wire[0] += SYNC + packet->size() + end;
        occupied[0] += uint64_t(SYNC + length + end) * 1'000'000 / 60;
        // The PHY takes the bus when SYNC is over, and repeats its status while a byte is missing.
        for (unsigned i = 0; i + 2 < SYNC + RECEIVE_START; ++i) script.push_back({false, false, 0});
        line = J;  // at high speed: not silent
        script.push_back({true, true, 0});
        script.push_back({true, false, receive_command(true)});
        unsigned run = 1, gap = 0;
        for (uint8_t byte : *packet) {
            script.push_back({true, true, byte});
            for (int i = 0; i < 8; ++i) {
                run = byte >> i & 1 ? run + 1 : 0;
                if (run == 6) {
                    ++gap;
                    run = 0;
                }
            }
            if (gap >= 8) {
                gap -= 8;
                script.push_back({true, false, receive_command(true)});
            }
        }
        line = SE0;
        for (unsigned i = 0; i < end + RECEIVE_END - RECEIVE_START; ++i)
            script.push_back({true, false, uint8_t(receive_command(true) | J)});
        script.push_back({true, false, receive_command(false)});
        script.push_back({false, false, 0});
        uint64_t done = ticks + SYNC + length + end;
        waiting = answer;
        deadline = done + TIMEOUT;
        free = done + HOST_GAP;
    }
};

#include "usb_exports.h"
