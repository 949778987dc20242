// The simulated board at its pins: runs the clocks of a verilated board, and a peer at the other end
// of its link.
//
// Time goes from event to event: an edge of a clock, or a change that the peer makes. The board is
// never reset from outside. model.h, made for each model, lists the clocks and includes the peer.

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "verilated.h"

#include "model.h"

namespace {

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vboard> top{new Vboard(&context)};
    Peer peer{*top};
    pins::Clock clocks[CLOCKS] = {PINS_CLOCKS};
    uint64_t now = 0;
    uint64_t cycles = 0;  // rising edges of the array's clock
    // Bytes from Python that are still on their way through the host, and when they leave it.
    std::deque<std::pair<uint64_t, std::vector<uint8_t>>> late;
    uint64_t latency = 0;

    Board() {
        top->eval();
        see();
    }

    ~Board() { top->final(); }

    uint64_t next() const {
        uint64_t time = peer.next();
        if (!late.empty()) time = std::min(time, late.front().first);
        for (const pins::Clock& clock : clocks) time = std::min(time, clock.next());
        return time;
    }

    void step(uint64_t time) {
        now = peer.now = time;
        for (; !late.empty() && late.front().first <= now; late.pop_front()) {
            const auto& bytes = late.front().second;
            peer.in.insert(peer.in.end(), bytes.begin(), bytes.end());
        }
        if (peer.next() == now) peer.act();
        for (int i = 0; i < CLOCKS; ++i) {
            if (clocks[i].next() != now) continue;
            bool level = clocks[i].toggle();
            set_clock(*top, i, level);
            if (i == SYNC && level) ++cycles;
        }
        top->eval();
        see();
    }

    void see() {
        peer.now = now;
        peer.see();
    }

    void advance(uint64_t duration) {
        uint64_t end = now + duration;
        for (uint64_t time; (time = next()) <= end;) step(time);
        now = end;
    }
};

Board& board_of(void* handle) { return *static_cast<Board*>(handle); }

}  // namespace

Peer& peer_of(void* handle) {
    Board& board = board_of(handle);
    board.peer.now = board.now;
    return board.peer;
}

void advance(void* handle, uint64_t duration) { board_of(handle).advance(duration); }

PINS_EXPORT void* pins_create() { return new Board; }

PINS_EXPORT void pins_destroy(void* handle) { delete &board_of(handle); }

// Queues bytes for the board.
PINS_EXPORT void pins_write(void* handle, const uint8_t* bytes, uint64_t length) {
    Board& board = board_of(handle);
    if (board.latency || !board.late.empty()) {
        board.late.emplace_back(
            board.now + board.latency, std::vector<uint8_t>(bytes, bytes + length)
        );
        return;
    }
    board.peer.in.insert(board.peer.in.end(), bytes, bytes + length);
    board.see();
}

// Sets the time from `pins_write` until the wire may carry the bytes.
PINS_EXPORT void pins_set_latency(void* handle, uint64_t latency) {
    board_of(handle).latency = latency;
}

// Takes up to `room` bytes that the board sent. Returns their number.
PINS_EXPORT uint64_t pins_read(void* handle, uint8_t* bytes, uint64_t room) {
    Peer& peer = peer_of(handle);
    uint64_t length = std::min<uint64_t>(room, peer.out.size());
    std::copy_n(peer.out.begin(), length, bytes);
    peer.out.erase(peer.out.begin(), peer.out.begin() + length);
    return length;
}

// Drops queued bytes of both directions.
PINS_EXPORT void pins_clear(void* handle) {
    Peer& peer = peer_of(handle);
    board_of(handle).late.clear();
    peer.in.clear();
    peer.out.clear();
}

// Runs until the first of these events, all in ps:
// - `limit` has passed;
// - after the first arrival, `quiet` passed without another one, or `gather` in all;
// - nothing is on its way to the board, and nothing arrived for `idle`, at most `limit`.
// Returns 1 for the last of these, else 0.
PINS_EXPORT int pins_run(void* handle, uint64_t limit, uint64_t idle, uint64_t quiet,
                         uint64_t gather) {
    Board& board = board_of(handle);
    Peer& peer = peer_of(handle);
    const uint64_t end = board.now + limit;
    uint64_t seen = peer.arrivals, first = board.now, last = board.now;
    bool came = !peer.out.empty();
    for (;;) {
        if (came ? board.now - last >= quiet || board.now - first >= gather
                 : board.now - last >= idle)
            return !came;
        if (board.now >= end) return 0;
        board.step(board.next());
        if (peer.arrivals != seen) {
            seen = peer.arrivals;
            last = board.now;
            if (!came) first = board.now;
            came = true;
        } else if (!came && (peer.busy() || !peer.in.empty() || !board.late.empty())) {
            last = board.now;
        }
    }
}

// Runs for `duration` ps.
PINS_EXPORT void pins_advance(void* handle, uint64_t duration) { advance(handle, duration); }

// Fills in the time in ps, the cycles of the array, and the peer's statistics.
PINS_EXPORT void pins_statistics(void* handle, uint64_t* values) {
    Board& board = board_of(handle);
    const uint64_t all[] = {
        board.now, board.cycles, board.peer.wire[0], board.peer.wire[1],
        board.peer.occupied[0], board.peer.occupied[1],
    };
    std::copy(std::begin(all), std::end(all), values);
}
