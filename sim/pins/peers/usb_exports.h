// What Python asks of a USB peer.

#pragma once

#include <algorithm>

#include "usb_host.h"

// Fills in bulk bytes, packets and NAKs, each to the board and from it, then repeated packets,
// errors, frames, whether the device is configured, and whether it is gone.
PINS_EXPORT void usb_statistics(void* handle, uint64_t* values) {
    const usb::Host& host = peer_of(handle).host;
    const usb::Statistics& seen = host.statistics;
    const uint64_t all[] = {
        seen.payload[0], seen.payload[1], seen.packets[0], seen.packets[1], seen.naks[0],
        seen.naks[1], seen.repeats, seen.errors, seen.frames, host.configured(), host.gone,
    };
    std::copy(std::begin(all), std::end(all), values);
}

// Fills in up to `room` bytes of what a GET_DESCRIPTOR with this value got last. Returns their
// number; -1 if it was refused or never asked.
PINS_EXPORT int64_t usb_descriptor(void* handle, uint32_t value, uint8_t* bytes, uint64_t room) {
    const std::vector<usb::Control>& done = peer_of(handle).host.done;
    for (auto each = done.rbegin(); each != done.rend(); ++each) {
        if (each->setup[1] != 6 || (each->setup[2] | each->setup[3] << 8) != int(value)) continue;
        if (each->stalled) return -1;
        uint64_t length = std::min<uint64_t>(room, each->data.size());
        std::copy_n(each->data.begin(), length, bytes);
        return int64_t(length);
    }
    return -1;
}

// Number of requests that the device refused.
PINS_EXPORT uint64_t usb_refusals(void* handle) {
    const std::vector<usb::Control>& done = peer_of(handle).host.done;
    return uint64_t(std::count_if(done.begin(), done.end(),
                                  [](const usb::Control& each) { return each.stalled; }));
}

PINS_EXPORT void usb_unplug(void* handle) { peer_of(handle).unplug(); }

PINS_EXPORT void usb_plug(void* handle) { peer_of(handle).plug(); }

// Damages or loses one in `faults` bulk packets from now on; 0 for none.
PINS_EXPORT void usb_set_faults(void* handle, uint32_t faults) { peer_of(handle).host.faults = faults; }
