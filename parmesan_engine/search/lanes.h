// What the compiled searches share: how wide this processor's vectors are, and several threads that fail without harm.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <new>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512BW__)
constexpr int LANES = 16, TILE = 12;  // values of 32 bits in a vector; queries held in registers at a time
#elif defined(__AVX2__)
constexpr int LANES = 8, TILE = 6;
#else
constexpr int LANES = 4, TILE = 6;
#endif
constexpr int PANEL = 2 * LANES;  // rows that meet a tile at a time

// work(part) on several threads, whoever is free next; on fewer where the system gives no more. Returns false when there was no room.
template <typename Work> static bool shared(int64_t parts, int threads, Work work) {
    std::atomic<int64_t> next{0};
    std::atomic<bool> room{true};
    auto run = [&] {
        try {
            for (int64_t part; room && (part = next++) < parts;) work(part);
        } catch (const std::bad_alloc&) {  // no exception may leave a thread, nor reach Python
            room = false;
        }
    };
    std::vector<std::thread> others;
    try {
        for (int t = 1; t < std::min<int64_t>(threads, parts); t++) others.emplace_back(run);
    } catch (const std::exception&) {
    }
    run();
    for (auto& other : others) other.join();
    return room;
}
