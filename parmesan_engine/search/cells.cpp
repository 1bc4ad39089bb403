// Nearest entries in some cells of a partition: queries that look at the same cell are compared with it together.
//
// A cell is unpacked once for all queries of a block. Of its entries the `head` columns that vary most are laid out in panels of PANEL
// entries, so that a tile of queries and a panel meet in registers: the distance in these columns is a lower bound, and only what it
// does not rule out is compared in full. A score is minus half a squared distance. Scores only choose candidates: the distances that a
// list shows are taken afterwards (pair_distances). Compiled on the user's machine for its processor (kernel.py).

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "lanes.h"

constexpr int MOST_HEAD = 64;
constexpr int64_t TOGETHER = 2048;  // queries that share an unpacked cell
typedef float vf __attribute__((vector_size(LANES * 4)));
typedef float unaligned __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));

struct Cells {
    const void* const* codes;      // by cell: sizes[cell] x channels float16
    const int64_t* const* labels;  // by cell
    const int64_t* sizes;
    const float* centres;  // count x channels
    const int32_t* columns;  // the `head` columns that vary most, or all
    int64_t count;
    int32_t channels, head;
};

struct Hit {
    float score;
    int32_t cell, place;
    bool operator<(const Hit& other) const {  // better first; in a cell places ascend by tie
        return score != other.score ? score > other.score : cell != other.cell ? cell < other.cell : place < other.place;
    }
};

struct Best {  // the best `width` of the hits given to it
    Hit* hits;
    int width, room, length = 0;
    float least = -std::numeric_limits<float>::infinity();
    void take(Hit hit) {
        hits[length++] = hit;
        if (length == room) cut();
    }
    void cut() {
        if (length <= width) return;
        std::nth_element(hits, hits + width - 1, hits + length);
        length = width;
        least = hits[width - 1].score;
    }
};

static uint32_t above(vf sums, float least) {  // one bit for each lane
#if defined(__AVX512BW__)
    return _mm512_cmp_ps_mask((__m512)sums, _mm512_set1_ps(least), _CMP_GT_OQ);
#elif defined(__AVX2__)
    return _mm256_movemask_ps(_mm256_cmp_ps((__m256)sums, _mm256_set1_ps(least), _CMP_GT_OQ));
#else
    uint32_t bits = 0;
    for (int j = 0; j < LANES; j++) bits |= (uint32_t)(sums[j] > least) << j;
    return bits;
#endif
}

static float score_of(const float* a, const float* b, int channels) {
    vf sum = {};
    int i = 0;
    for (; i + LANES <= channels; i += LANES) {
        const vf apart = *(const unaligned*)(a + i) - *(const unaligned*)(b + i);
        sum += apart * apart;
    }
    for (int j = 0; i < channels; i++, j++) sum[j] += (a[i] - b[i]) * (a[i] - b[i]);
    for (int width = LANES / 2; width; width /= 2)
        for (int j = 0; j < width; j++) sum[j] += sum[j + width];
    return -0.5f * sum[0];
}

static void widen(const float* in, int64_t count, float* out) { std::copy(in, in + count, out); }

static void widen(const _Float16* in, int64_t count, float* out) {
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(in + i))));
#endif
    for (; i < count; i++) out[i] = (float)in[i];
}

struct Panels {  // rows as they are; of each the head, [panel][column][PANEL], and half its squared length
    std::vector<float> rows, heads, half;
    int64_t count = 0;
    template <typename Code> void load(const Code* codes, int64_t size, const Cells& cells) {
        count = size;
        const int64_t panels = (count + PANEL - 1) / PANEL;
        const int channels = cells.channels, head = cells.head;
        rows.resize(panels * PANEL * channels), heads.resize(panels * PANEL * head), half.resize(panels * PANEL);
        widen(codes, count * channels, rows.data());
        std::fill(rows.begin() + count * channels, rows.end(), 0.0f);
        for (int64_t p = 0; p < panels; p++) {
            float* out = heads.data() + p * head * PANEL;
            const float* in = rows.data() + p * PANEL * channels;
            for (int s = 0; s < head; s++)
                for (int r = 0; r < PANEL; r++) out[s * PANEL + r] = in[r * channels + cells.columns[s]];
            vf squares[2] = {};
            for (int s = 0; s < head; s++)
                for (int v = 0; v < 2; v++) {
                    const vf x = *(const unaligned*)(out + s * PANEL + v * LANES);
                    squares[v] += x * x;
                }
            for (int v = 0; v < 2; v++) *(unaligned*)(half.data() + p * PANEL + v * LANES) = squares[v] / 2;
        }
    }
};

struct Asked {  // one query: its values, half the squared length of its head, its list
    const float* row;
    float half;
    Best best;
};

// Gives the hits of R queries to their lists.
template <int R> static void meet(const Panels& panels, const Cells& cells, Asked* const* asked, int rows, int32_t cell) {
    float tile[MOST_HEAD * R], least[R];
    for (int r = 0; r < R; r++) {
        for (int s = 0; s < cells.head; s++) tile[s * R + r] = r < rows ? asked[r]->row[cells.columns[s]] : 0;
        least[r] = r < rows ? asked[r]->best.least + asked[r]->half : std::numeric_limits<float>::infinity();
    }
    for (int64_t p = 0; p * PANEL < panels.count; p++) {
        const float* x = panels.heads.data() + p * cells.head * PANEL;
        const float* half = panels.half.data() + p * PANEL;
        const vf h0 = *(const unaligned*)half, h1 = *(const unaligned*)(half + LANES);
        vf sums[R][2];
        _Pragma("GCC unroll 12") for (int r = 0; r < R; r++) sums[r][0] = -h0, sums[r][1] = -h1;
        for (int s = 0; s < cells.head; s++) {
            const vf b0 = *(const unaligned*)(x + s * PANEL), b1 = *(const unaligned*)(x + s * PANEL + LANES);
            _Pragma("GCC unroll 12") for (int r = 0; r < R; r++) {
                const vf q = tile[s * R + r] - (vf){};
                sums[r][0] += q * b0, sums[r][1] += q * b1;
            }
        }
        uint32_t near[R], any = 0;
        _Pragma("GCC unroll 12") for (int r = 0; r < R; r++) any |= near[r] = above(sums[r][0], least[r]) | above(sums[r][1], least[r]) << LANES;
        if (!any) continue;
        const int64_t first = p * PANEL;
        const uint32_t valid = panels.count - first < PANEL ? (1u << (panels.count - first)) - 1 : ~0u;
        for (int r = 0; r < rows; r++) {
            Asked& mine = *asked[r];
            for (uint32_t w = near[r] & valid; w; w &= w - 1) {
                const int64_t place = first + __builtin_ctz(w);
                const float score = score_of(mine.row, panels.rows.data() + place * cells.channels, cells.channels);
                if (score > mine.best.least) mine.best.take({score, cell, (int32_t)place});
            }
            least[r] = mine.best.least + mine.half;
        }
    }
}

static void look(const Panels& panels, const Cells& cells, Asked* const* asked, int64_t count, int32_t cell) {
    for (int64_t i = 0; i < count;) {
        const int rows = (int)std::min<int64_t>(count - i, TILE);
        if (rows > TILE * 2 / 3) meet<TILE>(panels, cells, asked + i, rows, cell);
        else if (rows > TILE / 3) meet<TILE * 2 / 3>(panels, cells, asked + i, rows, cell);
        else meet<TILE / 3>(panels, cells, asked + i, rows, cell);
        i += rows;
    }
}

struct Block {  // some queries and their lists
    std::vector<Hit> hits;
    std::vector<Asked> asked;
    Block(const Cells& cells, const float* queries, const int64_t* which, int64_t count, int width) : hits(count * 4 * (width + 4)), asked(count) {
        const int room = 4 * (width + 4);
        for (int64_t i = 0; i < count; i++) {
            const float* row = queries + which[i] * cells.channels;
            float head = 0;
            for (int s = 0; s < cells.head; s++) head += row[cells.columns[s]] * row[cells.columns[s]];
            asked[i] = {row, head / 2 - 1e-6f, {hits.data() + i * room, width, room}};
        }
    }
    const Best& finished(int64_t i) {
        Best& best = asked[i].best;
        best.cut();
        std::sort(best.hits, best.hits + best.length);
        return best;
    }
};

struct Visit {
    int32_t cell, query;
    bool operator<(const Visit& other) const { return cell != other.cell ? cell < other.cell : query < other.query; }
};

static void visit(const Cells& cells, Block& block, std::vector<Visit>& visits, Panels& panels) {
    std::sort(visits.begin(), visits.end());
    std::vector<Asked*> asked;
    for (size_t i = 0, j; i < visits.size(); i = j) {
        const int32_t cell = visits[i].cell;
        asked.clear();
        for (j = i; j < visits.size() && visits[j].cell == cell; j++) asked.push_back(&block.asked[visits[j].query]);
        if (!cells.sizes[cell]) continue;
        panels.load((const _Float16*)cells.codes[cell], cells.sizes[cell], cells);
        look(panels, cells, asked.data(), (int64_t)asked.size(), cell);
    }
}

// Whether a cell may hold something nearer than what the list ends with: what lies in it is beyond the plane midway to the nearest cell.
// That plane, more than `share` of the list's reach away, leaves the cell out: from 1 on nothing is missed by it, 1/2 misses little.
static bool worth(const Cells& cells, const Asked& asked, float share, float nearest, float score, int32_t first, int32_t cell) {
    if (asked.best.length < asked.best.width) return true;
    const float *a = cells.centres + (int64_t)first * cells.channels, *b = cells.centres + (int64_t)cell * cells.channels;
    const float apart = -2 * score_of(a, b, cells.channels);
    const float least = std::min_element(asked.best.hits, asked.best.hits + asked.best.length, [](const Hit& x, const Hit& y) {
                            return x.score < y.score; })->score;
    const float reach = -2 * least, plane = nearest - score;  // both times the distance of the centres
    return plane * plane <= share * share * reach * apart;
}

extern "C" {

// Write the labels of about the `width` nearest entries in the `probes` nearest cells of each query, -1 where there are fewer, and their
// float16 codes. Returns 0 when there was no room.
int nearest_in_cells(const Cells* all, const float* queries, int64_t count, int probes, int width, int64_t* labels, uint16_t* codes,
                     int threads) try {
    const Cells& cells = *all;
    const int channels = cells.channels;
    const float reach = probes <= 16 ? 0.5f : probes <= 64 ? 0.75f : 1.0f;  // who looks at many cells wants to miss less
    Panels centres;
    centres.load(cells.centres, cells.count, cells);
    std::vector<Hit> near(count * probes);  // by query, the nearest cell first
    std::vector<int64_t> order(count);
    for (int64_t i = 0; i < count; i++) order[i] = i;
    constexpr int64_t PART = 96;
    bool room = shared((count + PART - 1) / PART, threads, [&](int64_t part) {
        const int64_t first = part * PART, here = std::min(count - first, PART);
        Block block(cells, queries, order.data() + first, here, probes);
        std::vector<Asked*> asked(here);
        for (int64_t i = 0; i < here; i++) asked[i] = &block.asked[i];
        look(centres, cells, asked.data(), here, 0);
        for (int64_t i = 0; i < here; i++) std::copy_n(block.finished(i).hits, probes, near.data() + (first + i) * probes);
    });
    if (!room) return 0;
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {  // near cells have near numbers
        return near[a * probes].place < near[b * probes].place;
    });
    room = shared((count + TOGETHER - 1) / TOGETHER, threads, [&](int64_t part) {
        const int64_t first = part * TOGETHER, here = std::min(count - first, TOGETHER);
        Block block(cells, queries, order.data() + first, here, width);
        Panels panels;
        std::vector<Visit> visits;
        for (int64_t i = 0; i < here; i++) visits.push_back({near[order[first + i] * probes].place, (int32_t)i});
        visit(cells, block, visits, panels);
        visits.clear();
        for (int64_t i = 0; i < here; i++) {
            const Hit* mine = near.data() + order[first + i] * probes;
            block.asked[i].best.cut();
            for (int n = 1; n < probes; n++)
                if (worth(cells, block.asked[i], reach, mine[0].score, mine[n].score, mine[0].place, mine[n].place))
                    visits.push_back({mine[n].place, (int32_t)i});
        }
        visit(cells, block, visits, panels);
        for (int64_t i = 0; i < here; i++) {
            const Best& best = block.finished(i);
            const int64_t row = order[first + i] * width;
            for (int n = 0; n < width; n++) {
                uint16_t* code = codes + (row + n) * channels;
                labels[row + n] = n < best.length ? cells.labels[best.hits[n].cell][best.hits[n].place] : -1;
                if (n < best.length) memcpy(code, (const uint16_t*)cells.codes[best.hits[n].cell] + (int64_t)best.hits[n].place * channels, 2 * channels);
                else memset(code, 0, 2 * channels);
            }
        }
    });
    return room;
} catch (const std::bad_alloc&) {  // no exception may reach Python
    return 0;
}
}
