// A USB host above the line: packets, transactions, enumeration, and bulk transfers both ways.
//
// References are to USB 2.0. The pauses that only give people or hubs time are shortened. A line,
// ulpi.h or full_speed.h, asks for packets and hands over what the device answers.

#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "side.h"

namespace usb {

using Bytes = std::vector<uint8_t>;

enum Pid : uint8_t {
    OUT = 1, ACK = 2, DATA0 = 3, PING = 4, SOF = 5, NYET = 6, IN = 9, NAK = 10, DATA1 = 11,
    SETUP = 13, STALL = 14,
};

inline uint8_t pid_byte(int pid) { return uint8_t(pid | (~pid & 15) << 4); }

// 8.3.5.1: of the 11 bits of a token.
inline uint8_t crc5(unsigned value) {
    unsigned crc = 0x1f;
    for (int i = 0; i < 11; ++i) {
        unsigned bit = (value >> i & 1) ^ (crc & 1);
        crc = crc >> 1 ^ (bit ? 0x14 : 0);
    }
    return uint8_t(crc ^ 0x1f);
}

// 8.3.5.2: of the bytes of a data packet.
inline unsigned crc16(const uint8_t* bytes, size_t length) {
    unsigned crc = 0xffff;
    for (size_t i = 0; i < length; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xa001 : 0);
    }
    return crc ^ 0xffff;
}

inline Bytes token(int pid, unsigned value) {
    value |= unsigned(crc5(value)) << 11;
    return {pid_byte(pid), uint8_t(value), uint8_t(value >> 8)};
}

inline Bytes data_packet(int pid, const Bytes& payload) {
    Bytes packet{pid_byte(pid)};
    packet.insert(packet.end(), payload.begin(), payload.end());
    unsigned crc = crc16(payload.data(), payload.size());
    packet.push_back(uint8_t(crc));
    packet.push_back(uint8_t(crc >> 8));
    return packet;
}

// Bits that are stuffed into a packet; the last bit of SYNC is the first 1 (7.1.9).
inline unsigned stuffed(const Bytes& packet) {
    unsigned ones = 1, count = 0;
    for (uint8_t byte : packet)
        for (int i = 0; i < 8; ++i) {
            ones = byte >> i & 1 ? ones + 1 : 0;
            if (ones == 6) {
                ++count;
                ones = 0;
            }
        }
    return count;
}

// What a control transfer asks for, and what came back.
struct Control {
    uint8_t setup[8];
    Bytes data;  // sent, or received
    bool stalled;
};

struct Statistics {
    uint64_t payload[2] = {0, 0};  // bulk bytes, to the device and from it
    uint64_t packets[2] = {0, 0};  // bulk packets that were acknowledged
    uint64_t naks[2] = {0, 0};
    uint64_t repeats = 0;  // data packets that came twice
    uint64_t errors = 0;   // no answer, or a broken one
    uint64_t frames = 0;   // SOF packets
};

class Host {
public:
    // `frame` is the time between two SOF packets and `longest` that of a transaction, in ps;
    // `packet` the bytes of a bulk packet.
    Host(pins::Side& side, bool high, uint64_t frame, uint64_t longest, unsigned packet)
        : side(side), high(high), frame(frame), longest(longest), packet(packet) {}

    Statistics statistics;
    std::deque<Control> controls;  // still to do
    std::vector<Control> done;
    bool gone = false;  // the device did not answer three times
    unsigned faults = 0;  // one in so many bulk packets is damaged or lost, each way; 0 for none

    // The bus was reset: frames start, and everything is forgotten.
    void start(uint64_t now) {
        next_frame = now;
        again = 0;
        address = configuration = failures = 0;
        toggles[0] = toggles[1] = 0;
        stage = FREE;
        phase = SETUP_PHASE;
        gone = ask = refused[0] = refused[1] = false;
        sending.clear();
        urb.clear();
        controls.clear();
        done.clear();
        queue(0x80, 6, 0x0100, 0, 64);  // device descriptor, as every host begins
        queue(0x00, 5, 5, 0, 0);        // SET_ADDRESS
        queue(0x80, 6, 0x0100, 0, 18);
        queue(0x80, 6, 0x0600, 0, 10);  // device qualifier
        queue(0x80, 6, 0x0200, 0, 9);   // configuration
        queue(0x80, 6, 0x0200, 0, 255);
        for (uint16_t index = 0; index < 4; ++index)
            queue(0x80, 6, 0x0300 | index, index ? 0x0409 : 0, 255);  // strings
        queue(0x00, 9, 1, 0, 0);        // SET_CONFIGURATION
        queue(0x21, 0x20, 0, 0, 7, {0x00, 0xc2, 0x01, 0x00, 0, 0, 8});  // SET_LINE_CODING
        queue(0x21, 0x22, 3, 0, 0);     // SET_CONTROL_LINE_STATE
    }

    // The plug was pulled.
    void lose() {
        gone = true;
        configuration = 0;
        stage = FREE;
    }

    bool configured() const { return configuration != 0 && controls.empty(); }

    // Something is on its way to the device, or it is not configured yet.
    bool busy() const { return !gone && (!configured() || !sending.empty()); }

    // The next packet of the host; none if there is nothing to do now. `answer` says whether the
    // device answers it; if not, the next packet may follow after the usual gap.
    const Bytes* next(uint64_t now, bool& answer) {
        answer = false;
        if (stage == DATA) {
            current = data_packet(pid_of_out(), sending_part());
            if (fault()) current.back() ^= 0x10;
            stage = HANDSHAKE;
            answer = true;
            return &current;
        }
        if (stage == ACKNOWLEDGE) {
            current = {pid_byte(ACK)};
            stage = FREE;
            if (!fault()) return &current;
        }
        if (now >= next_frame) {
            next_frame += frame;
            current = token(SOF, unsigned(statistics.frames++ / (high ? 8 : 1)) & 0x7ff);
            return &current;
        }
        if (gone || now + longest > next_frame || now < again || !choose(now)) return nullptr;
        current = token(kind, address | endpoint() << 7);
        stage = kind == IN ? REPLY : kind == PING ? HANDSHAKE : DATA;
        answer = stage != DATA;
        return &current;
    }

    // What the device answered; empty if nothing came in time.
    void answered(const Bytes& reply) {
        int pid = reply.empty() || reply[0] != pid_byte(reply[0] & 15) ? 0 : reply[0] & 15;
        bool data = pid == DATA0 || pid == DATA1;
        if (data && (reply.size() < 3 ||
                     crc16(reply.data() + 1, reply.size() - 3) !=
                         (reply[reply.size() - 2] | unsigned(reply[reply.size() - 1]) << 8)))
            pid = 0;
        if (fault()) pid = 0;
        bool expected = stage == REPLY ? data || pid == NAK || pid == STALL
                                       : pid == ACK || pid == NAK || pid == NYET || pid == STALL;
        if (pid == 0 || !expected) {
            ++statistics.errors;
            gone = ++failures == (faults ? FAILURES_WITH_FAULTS : FAILURES);
            stage = FREE;
            return;
        }
        failures = 0;
        if (stage == REPLY && data) {
            receive(pid, Bytes(reply.begin() + 1, reply.end() - 2));
            stage = ACKNOWLEDGE;
            return;
        }
        stage = FREE;
        if (bulk) {
            handshake(pid);
        } else {
            control_handshake(pid);
        }
    }

private:
    enum Stage { FREE, DATA, HANDSHAKE, REPLY, ACKNOWLEDGE };
    enum Phase { SETUP_PHASE, DATA_PHASE, STATUS_PHASE };

    static constexpr unsigned ENDPOINT = 2, CONTROL_PACKET = 64, URB_PACKETS = 2;
    static constexpr unsigned FAILURES = 3, FAILURES_WITH_FAULTS = 30;
    static constexpr uint64_t PAUSE = 1'000'000;  // after a NAK of both directions

    pins::Side& side;
    const bool high;
    const uint64_t frame, longest;
    const unsigned packet;
    uint64_t next_frame = pins::NEVER, again = 0;
    unsigned address = 0, configuration = 0, failures = 0;
    Bytes current;
    Stage stage = FREE;
    int kind = 0;
    bool bulk = false;
    Phase phase = SETUP_PHASE;
    unsigned toggle = 0;  // of the control transfer
    unsigned toggles[2] = {0, 0};
    bool ask = false;       // a packet was refused: PING until there is room (8.5.1)
    bool turn = false;      // whose turn it is: true for bytes to the host
    bool refused[2] = {false, false};
    Bytes sending;          // the bulk packet that is to be acknowledged
    Bytes urb;              // what came since the driver was told
    uint32_t chance = 1;

    bool fault() {
        if (!faults || !bulk) return false;
        chance = chance * 1664525u + 1013904223u;
        return (chance >> 8) % faults == 0;
    }

    void queue(uint8_t type, uint8_t request, uint16_t value, uint16_t index, uint16_t length,
               const Bytes& data = {}) {
        controls.push_back({{type, request, uint8_t(value), uint8_t(value >> 8), uint8_t(index),
                             uint8_t(index >> 8), uint8_t(length), uint8_t(length >> 8)},
                            data, false});
    }

    unsigned endpoint() const { return bulk ? ENDPOINT : 0; }

    // Chooses the next transaction: `kind`, `bulk`.
    bool choose(uint64_t now) {
        if (!controls.empty()) {
            bulk = false;
            const Control& control = controls.front();
            bool in = control.setup[0] & 0x80;
            bool any = control.setup[6] | control.setup[7];
            if (phase == DATA_PHASE && !any) phase = STATUS_PHASE;
            kind = phase == SETUP_PHASE ? SETUP : (phase == DATA_PHASE) == in ? IN : OUT;
            return true;
        }
        if (!configuration) return false;
        bulk = true;
        if (sending.empty()) {
            uint8_t byte;
            while (sending.size() < packet && side.take(byte)) sending.push_back(byte);
        }
        bool out = !sending.empty();
        turn = out ? !turn : true;
        if (refused[turn] && (refused[!turn] || !out)) {
            refused[0] = refused[1] = false;
            again = now + PAUSE;
            return false;
        }
        kind = turn ? IN : ask ? PING : OUT;
        return true;
    }

    int pid_of_out() const {
        if (bulk) return toggles[0] ? DATA1 : DATA0;
        return phase == SETUP_PHASE ? DATA0 : phase == STATUS_PHASE ? DATA1 : toggle ? DATA1 : DATA0;
    }

    Bytes sending_part() const {
        if (bulk) return sending;
        const Control& control = controls.front();
        if (phase == SETUP_PHASE) return Bytes(control.setup, control.setup + 8);
        return phase == DATA_PHASE ? control.data : Bytes();
    }

    void receive(int pid, const Bytes& payload) {
        if (!bulk) {
            Control& control = controls.front();
            if (phase == STATUS_PHASE) return finish(false);
            if (pid != (toggle ? DATA1 : DATA0)) return void(++statistics.repeats);
            toggle ^= 1;
            control.data.insert(control.data.end(), payload.begin(), payload.end());
            unsigned length = control.setup[6] | unsigned(control.setup[7]) << 8;
            if (payload.size() < CONTROL_PACKET || control.data.size() >= length)
                phase = STATUS_PHASE;
            return;
        }
        refused[1] = false;
        if (pid != (toggles[1] ? DATA1 : DATA0)) return void(++statistics.repeats);
        toggles[1] ^= 1;
        ++statistics.packets[1];
        statistics.payload[1] += payload.size();
        urb.insert(urb.end(), payload.begin(), payload.end());
        // The driver hears of bytes after a short packet, or when its buffer is full.
        if (payload.size() < packet || urb.size() >= URB_PACKETS * packet) {
            for (uint8_t byte : urb) side.give(byte);
            urb.clear();
        }
    }

    void handshake(int pid) {
        if (pid == NAK) {
            ++statistics.naks[kind == IN];
            refused[kind == IN] = true;
            if (kind != IN) ask = high;
            return;
        }
        if (pid == STALL) return void(gone = true);
        ask = false;
        refused[0] = false;
        if (kind == PING) {
            turn = true;  // the packet itself is next
            return;
        }
        toggles[0] ^= 1;
        ++statistics.packets[0];
        statistics.payload[0] += sending.size();
        sending.clear();
        ask = pid == NYET;
    }

    void control_handshake(int pid) {
        if (pid == NAK) return;
        if (pid == STALL) return finish(true);
        if (phase == SETUP_PHASE) {
            phase = DATA_PHASE;
            toggle = 1;
            bool in = controls.front().setup[0] & 0x80;
            if (in) controls.front().data.clear();
        } else if (phase == DATA_PHASE) {
            phase = STATUS_PHASE;
        } else {
            finish(false);
        }
    }

    void finish(bool stalled) {
        Control control = controls.front();
        controls.pop_front();
        control.stalled = stalled;
        if (!stalled && control.setup[0] == 0) {
            if (control.setup[1] == 5) address = control.setup[2];
            if (control.setup[1] == 9) configuration = control.setup[2];
        }
        done.push_back(control);
        phase = SETUP_PHASE;
    }
};

}  // namespace usb
