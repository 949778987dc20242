// What a peer builds on: time, clocks, and the bytes to and from Python.

#pragma once

#include <cstdint>
#include <deque>

#include "Vboard.h"

#define PINS_EXPORT extern "C" __attribute__((visibility("default")))

namespace pins {

// All times are in picoseconds since the start.
constexpr uint64_t NEVER = UINT64_MAX;
constexpr uint64_t SECOND = 1'000'000'000'000;

// The edges of a clock of `hertz / part` Hz, which is low before the first one, a rising edge. The
// edges lie on whole picoseconds, and on average the rate is exact.
class Clock {
public:
    Clock(uint64_t hertz, uint64_t part = 1, uint64_t first = 0)
        : whole(SECOND * part / (2 * hertz)), rest(SECOND * part % (2 * hertz)), of(2 * hertz),
          edge(first) {}

    uint64_t next() const { return edge; }  // time of the next edge
    bool level() const { return high; }     // level since the last one

    // Passes the next edge. Returns the level behind it.
    bool toggle() {
        edge += whole;
        left += rest;
        if (left >= of) {
            left -= of;
            ++edge;
        }
        return high = !high;
    }

private:
    uint64_t whole, rest, of, left = 0, edge;
    bool high = false;
};

// The base of every peer.
class Side {
public:
    uint64_t now = 0;       // set before every call
    uint64_t arrivals = 0;  // bytes, or frames, that came for Python

    std::deque<uint8_t> in;   // bytes from Python to the board, not yet on the wire
    std::deque<uint8_t> out;  // bytes from the board to Python

    // Statistics, to the board and from it: bytes on the wire with all that the wire adds, and the
    // time in which they occupied it.
    uint64_t wire[2] = {0, 0};
    uint64_t occupied[2] = {0, 0};

    // Takes the next byte from Python, if there is one.
    bool take(uint8_t& byte) {
        if (in.empty()) return false;
        byte = in.front();
        in.pop_front();
        return true;
    }

    // Hands a byte from the board to Python.
    void give(uint8_t byte) {
        out.push_back(byte);
        ++arrivals;
    }
};

}  // namespace pins

// Of the board behind a handle: its peer, and a run of its clocks for `duration`.
class Peer;
Peer& peer_of(void* handle);
void advance(void* handle, uint64_t duration);
