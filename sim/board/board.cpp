// The simulated board: clocks a verilated accelerator and carries bytes to and from it.
//
// If compiled with BOARD_UART, the bytes go over the pins rx and tx as 8N1, at a settable number of
// time per bit. Otherwise they go over the byte streams rx and tx, at most one byte per clock each
// way. With BOARD_WORDS these are two bytes: the low one is the first, and if it is 0, it is the only
// one. The board is never reset; its registers start from their initial values.
//
// With BOARD_EDGES each edge of the pin `clock` is a clock, and one evaluation makes it. Otherwise
// rising edges are, as in a netlist.
//
// BOARD_TRACES is X(0) X(1) ..., for each core that has a port of traces.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "Vboard.h"
#include "verilated.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int FRAME_BITS = 10;  // start, 8 data, stop
#ifdef BOARD_UART
constexpr uint32_t PARTS = BIT_PARTS;  // of a clock, in which a bit is counted
#endif

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vboard> top;
    uint64_t cycles = 0;
#ifdef BOARD_UART
    uint32_t divisor = PARTS;  // parts of a clock per bit
    uint32_t send_parts = 0, receive_parts = 0;  // by which the last bit was early
    uint32_t sending = 0;   // bits still to send, the next one in bit 0
    int send_bits = 0;      // number of these bits
    uint32_t send_clocks = 0;
    uint32_t received = 0;
    int receive_bits = -1;  // -1 while it waits for a start bit
    uint32_t receive_clocks = 0;
#endif

    Board() : top(new Vboard(&context)) {
#ifdef BOARD_UART
        top->rx = 1;
#endif
        settle();
    }

    ~Board() { top->final(); }

    // Lets inputs written since the last edge reach the outputs.
    void settle() {
        top->clock = 0;
        top->eval();
    }

    void tick() {
#ifdef BOARD_EDGES
        top->clock ^= 1;
#else
        settle();
        top->clock = 1;
#endif
        top->eval();
        ++cycles;
    }

#ifdef BOARD_TRACES
    static constexpr uint32_t VALID = 1u << 17, LAST = 1u << 16;
    std::vector<uint16_t> traces;                   // whole packets, in the order of their ends
    std::vector<std::vector<uint16_t>> under_way;   // by core, the packet that has not ended

    void trace(size_t core, uint32_t port) {
        if (under_way.size() <= core) under_way.resize(core + 1);
        std::vector<uint16_t>& packet = under_way[core];
        packet.push_back(uint16_t(port));
        if (!(port & LAST)) return;
        traces.insert(traces.end(), packet.begin(), packet.end());
        packet.clear();
    }
#endif

#ifdef BOARD_UART
    // Drives rx for one clock. Returns whether the byte was taken: when its start bit begins.
    bool send(const uint8_t* next) {
        bool taken = false;
        if (send_clocks == 0) {
            if (send_bits == 0 && next) {
                sending = 0x200u | uint32_t(*next) << 1;
                send_parts = PARTS / 2;
                send_bits = FRAME_BITS;
                taken = true;
            }
            top->rx = send_bits ? sending & 1 : 1;
            if (send_bits) {
                sending >>= 1;
                --send_bits;
                send_clocks = (send_parts += divisor) / PARTS;
                send_parts %= PARTS;
            }
        }
        if (send_clocks) --send_clocks;
        return taken;
    }

    // The byte whose stop bit was sampled in this clock, or -1.
    int receive() {
        bool line = top->tx & 1;
        if (receive_bits < 0) {
            if (!line) {
                receive_bits = 0;
                received = 0;
                receive_clocks = divisor / 2 / PARTS - 1;  // bits are sampled in their middle
                receive_parts = divisor / 2 % PARTS;
            }
            return -1;
        }
        if (receive_clocks--) return -1;
        receive_clocks = (receive_parts += divisor) / PARTS - 1;
        receive_parts %= PARTS;
        received |= uint32_t(line) << receive_bits;
        if (++receive_bits < FRAME_BITS) return -1;
        receive_bits = -1;
        return (received & 1) == 0 && line ? int(received >> 1 & 0xff) : -1;
    }

    bool sent() const { return send_bits == 0 && send_clocks == 0; }
#else
    int offered = -1;  // at rx until it is taken
    int low = -1;      // the first byte of a word whose second one has not come

    // Drives rx for one clock with what is offered, or with the next bytes. Returns how many bytes
    // of these were used.
    uint64_t offer(const uint8_t* next, uint64_t count) {
        uint64_t used = 0;
        while (offered < 0 && used < count) {
            int byte = next[used++];
#ifdef BOARD_WORDS
            if (low < 0 && byte) {
                low = byte;
                continue;
            }
            if (low >= 0) byte = low | byte << 8;
            low = -1;
#endif
            offered = byte;
        }
        top->rx_valid = offered >= 0;
        if (offered >= 0) top->rx_payload = offered;
        return used;
    }
#endif
};

}  // namespace

EXPORT void* board_create() { return new Board; }

EXPORT void board_destroy(void* handle) { delete static_cast<Board*>(handle); }

// Selects the fault of a netlist with built-in faults; 0 for none.
#ifdef BOARD_FAULTS
EXPORT void board_set_fault(void* handle, uint32_t fault) {
    static_cast<Board*>(handle)->top->fault = fault;
}
#endif

EXPORT uint64_t board_cycles(void* handle) { return static_cast<Board*>(handle)->cycles; }

// Runs until the first of these events:
// - `limit` clocks have passed;
// - `room` bytes came out, or all but one;
// - after the first byte out, `quiet` clocks passed without another one, or `gather` clocks in all;
// - all input is taken, and `idle` clocks passed with nothing out.
// Returns the number of clocks; *taken and *came are the bytes in and out.
EXPORT uint64_t board_run(void* handle, const uint8_t* in, uint64_t length, uint64_t* taken,
                          uint8_t* out, uint64_t room, uint64_t* came, uint64_t limit,
                          uint64_t idle, uint64_t quiet, uint64_t gather) {
    Board& board = *static_cast<Board*>(handle);
    Vboard& top = *board.top;
    uint64_t used = 0, got = 0, ran = 0, last = 0, first = 0;
    while (ran < limit && got + 1 < room) {
        if (got ? ran - last >= quiet || ran - first >= gather
                : used == length && ran - last >= idle)
            break;
#ifdef BOARD_UART
        bool taking = board.send(used < length ? in + used : nullptr);
        used += taking;
        board.tick();
        int byte = board.receive();
        if (!board.sent() && !got) last = ran;
#else
        uint64_t before = used;
        used += board.offer(in + used, length - used);
        bool taking = used > before;
#ifdef BOARD_EDGES
        board.tick();
        if (top.rx_taken) board.offered = -1;
        int byte = top.tx_valid ? int(top.tx_payload) : -1;
#else
        board.settle();  // rx_ready and tx_valid may depend on the inputs within the clock
        if (top.rx_ready) board.offered = -1;
        int byte = top.tx_valid ? int(top.tx_payload) : -1;
        top.clock = 1;
        top.eval();
        ++board.cycles;
#endif
#ifdef BOARD_TRACES
        if (top.traces_apart) {
#define X(core) if (top.trace##core & Board::VALID) board.trace(core, top.trace##core);
            BOARD_TRACES
#undef X
        }
#endif
#endif
        ++ran;
        if (taking) {
            if (!got) last = ran;
        }
        if (byte >= 0) {
            if (!got) first = ran;
            out[got++] = uint8_t(byte);
#ifdef BOARD_WORDS
            if (byte & 0xff) out[got++] = uint8_t(byte >> 8);
#endif
            last = ran;
        }
    }
    *taken = used;
    *came = got;
    return ran;
}

#ifdef BOARD_UART
// Sets the parts of a clock per bit of this side, from the next byte on.
EXPORT void board_set_divisor(void* handle, uint32_t divisor) {
    static_cast<Board*>(handle)->divisor = divisor;
}

// Holds rx low for `clocks`, then high for as long. Bytes from the device are lost meanwhile.
EXPORT void board_break(void* handle, uint64_t clocks) {
    Board& board = *static_cast<Board*>(handle);
    for (int level = 0; level < 2; ++level) {
        board.top->rx = level;
        for (uint64_t i = 0; i < clocks; ++i) board.tick();
    }
    board.send_bits = 0;
    board.send_clocks = 0;
    board.receive_bits = -1;
}
#endif

#ifdef BOARD_TRACES
// From now on packets of traces are kept here, or go over the link. What was kept is dropped.
EXPORT void board_traces_apart(void* handle, uint32_t apart) {
    Board& board = *static_cast<Board*>(handle);
    board.top->traces_apart = apart;
    board.traces.clear();
    board.under_way.clear();
}

// The words of the packets of traces that were kept.
EXPORT uint64_t board_traces(void* handle) {
    return static_cast<Board*>(handle)->traces.size();
}

// Copies these words, and drops them.
EXPORT void board_take_traces(void* handle, uint16_t* words) {
    std::vector<uint16_t>& traces = static_cast<Board*>(handle)->traces;
    std::copy(traces.begin(), traces.end(), words);
    traces.clear();
}
#endif
