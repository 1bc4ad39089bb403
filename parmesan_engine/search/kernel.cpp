// Exact nearest rows on the CPU: a lower bound of every distance from a short integer sketch, exact distances where it is not enough.
//
// A sketch has `columns` int16 per row (see sketch.py). For sketches a, b of rows x, y: |a - b| <= SCALE |x - y| + sqrt(columns), so a
// pair whose sketches lie farther apart than that allows for the worst distance in a full list cannot enter the list. Sketches of keys
// lie in panels of PANEL rows, column pairs side by side, as the processor's 16-bit dot product wants them; BLOCK rows share a bounding
// box, which often spares looking at them at all. Everything that a list shows is decided by `distance`, in a fixed order of sums.
// Compiled on the user's machine for its processor (kernel.py), with -ffp-contract=off: equal bits wherever a function is inlined.

#include <algorithm>
#include <atomic>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "lanes.h"

constexpr int BLOCK = 128, PANELS = BLOCK / PANEL;
constexpr int GROUP = 8;    // tiles that share one look at the boxes
constexpr int CLUSTER = 16;  // blocks that share one more box
constexpr int BOX = 16;                                                          // columns that a bounding box covers
constexpr double FARTHEST = 2.02;  // from a row to the mean: both are of unit length, or a little more
constexpr int SEEDS = 8;  // nearest blocks looked at first: they make the lists good enough to spare most others
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef int32_t vu __attribute__((vector_size(LANES * 4), aligned(4)));  // the same anywhere in memory
typedef float vf __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));

enum Format { FLOAT32, FLOAT16, INT8 };

struct Keys {                // rows in slots 0 .. count - 1; panels hold whole panels, boxes whole blocks
    const void* codes;       // count x channels of `format`
    const int64_t* ties;     // content order
    const int32_t* panels;   // [panel][columns / 2][PANEL] pairs of int16
    const int32_t* half;     // [panel][PANEL] half the squared length of the sketch, rounded down
    const float* boxes;      // [block][2][BOX] least and greatest value of each column
    const float* clusters;   // [block / CLUSTER][2][BOX] the same for CLUSTER blocks each
    int64_t count;
    int32_t channels, columns, format;
};

struct Queries {             // in tiles of neighbours: row `order[i]` is the i-th
    const float* rows;       // by their own number, x channels
    const int16_t* sketch;   // by their own number, x columns
    const int32_t* order;
    int64_t count;
};

static inline vi dot(vi sum, vi a, vi b) {  // sum + a.low * b.low + a.high * b.high in each lane
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    return (vi)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
    return sum + (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

static inline uint32_t at_least(const vi* sums, int32_t least) {  // one bit for each of a panel's rows
#if defined(__AVX512BW__)
    const __m512i t = _mm512_set1_epi32(least);
    return _mm512_cmpge_epi32_mask((__m512i)sums[0], t) | (uint32_t)_mm512_cmpge_epi32_mask((__m512i)sums[1], t) << 16;
#elif defined(__AVX2__)
    const __m256i t = _mm256_set1_epi32(least);
    const int low = _mm256_movemask_ps((__m256)_mm256_cmpgt_epi32(t, (__m256i)sums[0]));
    return ~(low | _mm256_movemask_ps((__m256)_mm256_cmpgt_epi32(t, (__m256i)sums[1])) << 8) & 0xffff;
#else
    uint32_t bits = 0;
    for (int v = 0; v < 2; v++)
        for (int j = 0; j < LANES; j++) bits |= (uint32_t)(sums[v][j] >= least) << (v * LANES + j);
    return bits;
#endif
}

static inline float distance(const float* q, const float* x, int channels) {  // half the squared length of q - x
    vf sum = {};
    int i = 0;
    for (; i + 16 <= channels; i += 16) {
        vf a, b;
        memcpy(&a, q + i, 64);
        memcpy(&b, x + i, 64);
        a -= b;
        sum += a * a;
    }
    for (int j = 0; i < channels; i++, j++) sum[j] += (q[i] - x[i]) * (q[i] - x[i]);
    v8 eight[2];
    memcpy(eight, &sum, sizeof eight);
    eight[0] += eight[1];
    v4 four[2];
    memcpy(four, eight, sizeof four);
    four[0] += four[1];
    return 0.5f * ((four[0][0] + four[0][2]) + (four[0][1] + four[0][3]));
}

template <typename Code> static const float* decoded(const Code* code, int channels, float* out) {  // as codes.decode, bit for bit
    double squares[8] = {};  // sums are exact for both formats, so their order does not matter
    for (int i = 0; i < channels; i++) out[i] = (float)code[i];
    int i = 0;
    for (; i + 8 <= channels; i += 8)
        for (int j = 0; j < 8; j++) squares[j] += (double)out[i + j] * (double)out[i + j];
    for (; i < channels; i++) squares[0] += (double)out[i] * (double)out[i];
    for (int j = 1; j < 8; j++) squares[0] += squares[j];
    const float length = std::max((float)std::sqrt(squares[0]), 1e-30f);
    for (i = 0; i < channels; i++) out[i] /= length;
    return out;
}

static inline const float* row(const Keys& keys, int64_t slot, float* out) {
    const int64_t start = slot * keys.channels;
    if (keys.format == FLOAT32) return (const float*)keys.codes + start;
    if (keys.format == FLOAT16) return decoded((const _Float16*)keys.codes + start, keys.channels, out);
    return decoded((const int8_t*)keys.codes + start, keys.channels, out);
}

struct Bound {  // from a distance to what sketches may show at most
    double scale, slack, grow;
    Bound(const Keys& keys, double scale)
        : scale(scale), slack(std::sqrt((double)keys.columns) + 0.01), grow(1 + (keys.channels + 8) * std::ldexp(1.0, -23)) {}
    double operator()(float distance) const {  // greatest squared distance of sketches; `grow`: distances are rounded
        const double most = std::sqrt(2.0 * std::max(distance, 0.0f) * grow) * scale + slack;
        return most * most;
    }
};

static inline int32_t threshold(int64_t square, double most) {  // sums below it belong to pairs too far apart
    const double least = std::floor((square - most) / 2) - 1;
    return least < INT32_MIN ? INT32_MIN : (int32_t)least;
}

struct Box {
    float low[BOX], high[BOX];
    void start() {
        std::fill(low, low + BOX, std::numeric_limits<float>::max());
        std::fill(high, high + BOX, -std::numeric_limits<float>::max());
    }
    void add(const Box& other) {
        for (int i = 0; i < BOX; i++) low[i] = std::min(low[i], other.low[i]), high[i] = std::max(high[i], other.high[i]);
    }
    float gap(const float* box) const {  // least squared distance between points of two boxes
        vf l, h, other_low, other_high;
        memcpy(&l, low, 64), memcpy(&h, high, 64), memcpy(&other_low, box, 64), memcpy(&other_high, box + BOX, 64);
        const vf below = other_low - h, above = l - other_high;
        vf g = below > above ? below : above;
        g = g > 0 ? g : (vf){};
        g *= g;
        float total = 0;
        for (int i = 0; i < BOX; i++) total += g[i];
        return total * (1 - 1e-5f);  // rounding must not make it larger than it is
    }
};

struct Tile {  // TILE queries as the dot product wants them
    std::vector<int32_t> pairs;
    Box box;
    int32_t least[TILE];
    double most[TILE], square[TILE], farthest;
    int64_t query[TILE];
    int rows;
};

static void fill(Tile& tile, const Queries& queries, int64_t first, int columns) {
    const int steps = columns / 2;
    tile.pairs.assign((size_t)steps * TILE, 0);
    tile.box.start();
    tile.rows = (int)std::min<int64_t>(TILE, queries.count - first);
    for (int r = 0; r < TILE; r++) {
        tile.least[r] = INT32_MAX, tile.most[r] = -1;
        if (r >= tile.rows) continue;
        tile.query[r] = queries.order[first + r];
        const int16_t* s = queries.sketch + tile.query[r] * columns;
        int64_t square = 0;
        for (int i = 0; i < columns; i++) square += (int64_t)s[i] * s[i];
        for (int i = 0; i < std::min(columns, BOX); i++)
            tile.box.low[i] = std::min(tile.box.low[i], (float)s[i]), tile.box.high[i] = std::max(tile.box.high[i], (float)s[i]);
        tile.square[r] = (double)square;
        for (int i = 0; i < steps; i++) memcpy(&tile.pairs[i * TILE + r], s + 2 * i, 4);
    }
    for (int i = columns; i < BOX; i++) tile.box.low[i] = tile.box.high[i] = 0;
}

// Write (tile . panel - half) of all pairs. Sums stay in registers until they are whole.
static inline void multiply(const int32_t* q, const int32_t* panel, const int32_t* half, int steps, vi out[TILE][2]) {
    vi sums[TILE][2];
    _Pragma("GCC unroll 12") for (int r = 0; r < TILE; r++) sums[r][0] = -*(const vu*)half, sums[r][1] = -*(const vu*)(half + LANES);
    for (int s = 0; s < steps; s++, q += TILE, panel += PANEL) {
        const vi left = *(const vu*)panel, right = *(const vu*)(panel + LANES);
        _Pragma("GCC unroll 12") for (int r = 0; r < TILE; r++) {
            const vi a = (vi){} + q[r];
            sums[r][0] = dot(sums[r][0], a, left), sums[r][1] = dot(sums[r][1], a, right);
        }
    }
    _Pragma("GCC unroll 12") for (int r = 0; r < TILE; r++) out[r][0] = sums[r][0], out[r][1] = sums[r][1];
}

// Calls found(row of the tile, slot, sum) for every pair that the sketches do not rule out; `sum` is the greater, the nearer the
// sketches are. `found` may raise the tile's thresholds.
template <typename Found> static void scan(const Keys& keys, Tile& tile, int64_t block, Found found) {
    const int steps = keys.columns / 2;
    const int64_t last = std::min((block + 1) * PANELS, (keys.count + PANEL - 1) / PANEL);
    for (int64_t p = block * PANELS; p < last; p++) {
        vi sums[TILE][2];
        multiply(tile.pairs.data(), keys.panels + p * steps * PANEL, keys.half + p * PANEL, steps, sums);
        uint32_t near[TILE], any = 0;
        _Pragma("GCC unroll 12") for (int r = 0; r < TILE; r++) any |= near[r] = at_least(sums[r], tile.least[r]);
        if (!any) continue;
        const int64_t first = p * PANEL;
        if (first + PANEL > keys.count) {
            const uint32_t valid = (1u << (keys.count - first)) - 1;
            for (int r = 0; r < TILE; r++) near[r] &= valid;
            any &= valid;
        }
        const int bytes = keys.channels * (keys.format == FLOAT32 ? 4 : keys.format == FLOAT16 ? 2 : 1);
        for (uint32_t w = any; w; w &= w - 1) {
            const char* code = (const char*)keys.codes + (first + __builtin_ctz(w)) * bytes;
            for (int i = 0; i < bytes; i += 64) __builtin_prefetch(code + i);
        }
        for (int r = 0; r < tile.rows; r++) {
            if (!near[r]) continue;
            int32_t sum[PANEL];
            memcpy(sum, sums[r], sizeof sum);
            for (uint32_t w = near[r]; w; w &= w - 1)
                if (const int j = __builtin_ctz(w); sum[j] >= tile.least[r]) found(r, first + j, sum[j]);
        }
    }
}

struct List {  // the best rows so far, ascending by (distance, tie)
    float* distances;
    int64_t *slots;
    const int64_t* ties;
    int width = 0, length = 0;
    bool take(float d, int64_t slot) {  // returns whether a full list changed or became full
        auto before = [&](int i) { return d < distances[i] || (d == distances[i] && ties[slot] < ties[slots[i]]); };
        if (length == width && !before(width - 1)) return false;
        int i = length < width ? length++ : width - 1;
        for (; i && before(i - 1); i--) distances[i] = distances[i - 1], slots[i] = slots[i - 1];
        distances[i] = d, slots[i] = slot;
        return length == width;
    }
};

struct Search {  // of one group of tiles
    const Keys& keys;
    const Queries& queries;
    const Bound bound;
    const int width;
    std::vector<Tile> tiles;
    std::vector<List> lists;
    std::vector<float> scratch;
    int64_t exact = 0;  // distances taken

    float pair(const Tile& tile, int r, int64_t slot) {
        exact++;
        return distance(queries.rows + tile.query[r] * keys.channels, row(keys, slot, scratch.data()), keys.channels);
    }

    void limit(Tile& tile, int r, float distance) {
        tile.most[r] = bound(distance);
        tile.least[r] = threshold((int64_t)tile.square[r], tile.most[r]);
    }

    // A first limit for each query: the farthest of the `width` rows whose sketches are nearest in a few blocks.
    void seed(Tile& tile, const int32_t* blocks, int64_t count) {
        std::vector<std::vector<std::pair<int32_t, int64_t>>> best(tile.rows);
        for (int r = 0; r < tile.rows; r++) tile.least[r] = INT32_MIN;
        for (int64_t b = 0; b < count; b++)
            scan(keys, tile, blocks[b], [&](int r, int64_t slot, int32_t sum) {
                auto& heap = best[r];
                heap.emplace_back(-sum, slot);
                std::push_heap(heap.begin(), heap.end());
                if ((int)heap.size() > width) std::pop_heap(heap.begin(), heap.end()), heap.pop_back();
                if ((int)heap.size() == width) tile.least[r] = -heap.front().first;
            });
        for (int r = 0; r < tile.rows; r++) {
            float farthest = (int)best[r].size() == width ? 0 : std::numeric_limits<float>::infinity();
            for (auto& [sum, slot] : best[r]) farthest = std::max(farthest, pair(tile, r, slot));
            limit(tile, r, farthest);
        }
        tile.farthest = *std::max_element(tile.most, tile.most + tile.rows);
    }

    void look(int t, int64_t block) {
        Tile& tile = tiles[t];
        bool nearer = false;
        scan(keys, tile, block, [&](int r, int64_t slot, int32_t) {
            List& best = lists[t * TILE + r];
            if (best.take(pair(tile, r, slot), slot)) limit(tile, r, best.distances[width - 1]), nearer = true;
        });
        if (nearer) tile.farthest = *std::max_element(tile.most, tile.most + tile.rows);
    }

    float gap(const Box& box, const float* boxes, int64_t number) const { return box.gap(boxes + number * 2 * BOX); }

    int64_t blocks() const { return (keys.count + BLOCK - 1) / BLOCK; }

    // The blocks nearest to a tile in the nearest cluster: where its seeds come from.
    int seeds(const Tile& tile, int32_t* out) const {
        int64_t best = 0;
        float least = std::numeric_limits<float>::infinity();
        for (int64_t c = 0; c * CLUSTER < blocks(); c++)
            if (const float g = gap(tile.box, keys.clusters, c); g < least) least = g, best = c;
        std::pair<float, int32_t> near[CLUSTER];
        const int count = (int)std::min<int64_t>(CLUSTER, blocks() - best * CLUSTER), kept = std::min(SEEDS, count);
        for (int i = 0; i < count; i++) near[i] = {gap(tile.box, keys.boxes, best * CLUSTER + i), (int32_t)(best * CLUSTER + i)};
        std::partial_sort(near, near + kept, near + count);
        for (int i = 0; i < kept; i++) out[i] = near[i].second;
        return kept;
    }

    void run(int64_t first, int64_t last, float* distances, int64_t* slots) {
        const int count = (int)((last - first + TILE - 1) / TILE);
        tiles.resize(count), lists.resize(count * TILE), scratch.resize(keys.channels);
        Box box;
        box.start();
        double farthest = 0;
        for (int t = 0; t < count; t++) {
            fill(tiles[t], queries, first + t * TILE, keys.columns);
            for (int r = 0; r < tiles[t].rows; r++) {
                const int64_t q = tiles[t].query[r];
                lists[t * TILE + r] = {distances + q * width, slots + q * width, keys.ties, width};
            }
            int32_t start[SEEDS];
            seed(tiles[t], start, seeds(tiles[t], start));
            box.add(tiles[t].box);
            farthest = std::max(farthest, tiles[t].farthest);
        }
        std::vector<std::pair<float, int64_t>> clusters;
        for (int64_t c = 0; c * CLUSTER < blocks(); c++)
            if (const float g = gap(box, keys.clusters, c); g <= farthest) clusters.emplace_back(g, c);
        std::sort(clusters.begin(), clusters.end());
        for (auto& [least, c] : clusters)
            for (int t = 0; t < count; t++) {
                if (gap(tiles[t].box, keys.clusters, c) > tiles[t].farthest) continue;
                for (int64_t b = c * CLUSTER; b < std::min((c + 1) * CLUSTER, blocks()); b++)
                    if (gap(tiles[t].box, keys.boxes, b) <= tiles[t].farthest) look(t, b);
            }
    }
};

static void split(const int16_t* sketch, int columns, int32_t* order, int64_t count, int leaf, int threads) {
    if (count <= leaf) return;
    const int dims = std::min(columns, BOX);
    int16_t low[BOX], high[BOX];
    for (int i = 0; i < dims; i++) low[i] = INT16_MAX, high[i] = INT16_MIN;
    for (int64_t n = 0; n < count; n++) {
        const int16_t* s = sketch + (int64_t)order[n] * columns;
        for (int i = 0; i < dims; i++) low[i] = std::min(low[i], s[i]), high[i] = std::max(high[i], s[i]);
    }
    int widest = 0;
    for (int i = 1; i < dims; i++)
        if (high[i] - low[i] > high[widest] - low[widest]) widest = i;
    const int64_t middle = (count + leaf - 1) / leaf / 2 * leaf;
    std::nth_element(order, order + middle, order + count, [&](int32_t a, int32_t b) {
        return sketch[(int64_t)a * columns + widest] < sketch[(int64_t)b * columns + widest];
    });
    std::thread other;
    if (threads > 1) try {
            other = std::thread([&] { split(sketch, columns, order, middle, leaf, threads / 2); });
        } catch (const std::system_error&) {  // the system gives no more
        }
    if (!other.joinable()) split(sketch, columns, order, middle, leaf, 1);
    split(sketch, columns, order + middle, count - middle, leaf, other.joinable() ? threads - threads / 2 : 1);
    if (other.joinable()) other.join();
}

struct Pairs {
    std::vector<int64_t> rows, slots;
    std::vector<float> distances;
};

extern "C" {

int panel_rows() { return PANEL; }
int block_rows() { return BLOCK; }
int tile_rows() { return TILE; }
int cluster_blocks() { return CLUSTER; }
int box_columns() { return BOX; }

// Write the (count, columns) sketches of codes: coordinates on the axes of basis (channels, columns - 1) and the length of the rest, times
// `scale`. Returns 0 when a row is too far from the mean for 16 bits, and for sums of products of two sketches in 32 bits; -1: no room.
int sketch(const Keys* keys, const double* mean, const double* basis, double scale, int16_t* out, int threads) {
    constexpr int64_t PART = 4096;
    std::atomic<int> fits{1};
    const int axes = keys->columns - 1;
    const bool room = shared((keys->count + PART - 1) / PART, threads, [&](int64_t part) {
        std::vector<float> scratch(keys->channels);
        std::vector<double> sums(keys->columns);
        for (int64_t n = part * PART; n < std::min(keys->count, (part + 1) * PART); n++) {
            const float* x = row(*keys, n, scratch.data());
            std::fill(sums.begin(), sums.end(), 0.0);
            double rest = 0;
            for (int d = 0; d < keys->channels; d++) {
                const double value = x[d] - mean[d];
                rest += value * value;
                for (int i = 0; i < axes; i++) sums[i] += value * basis[(int64_t)d * axes + i];
            }
            const bool near = rest <= FARTHEST * FARTHEST;  // not of nan
            if (!near) fits = 0;
            for (int i = 0; i < axes; i++) rest -= sums[i] * sums[i];
            sums[axes] = std::sqrt(std::max(rest, 0.0));
            for (int i = 0; i <= axes; i++) out[n * keys->columns + i] = near ? (int16_t)std::nearbyint(sums[i] * scale) : 0;
        }
    });
    return room ? fits.load() : -1;
}

// Put (count, columns) sketches into their slots of the panels.
void put(int32_t* panels, int32_t* half, const int16_t* sketch, int columns, const int64_t* slots, int64_t count) {
    for (int64_t n = 0; n < count; n++) {
        const int16_t* s = sketch + n * columns;
        const int64_t panel = slots[n] / PANEL, column = slots[n] % PANEL;
        int64_t square = 0;
        for (int i = 0; i < columns; i++) square += (int64_t)s[i] * s[i];
        half[slots[n]] = (int32_t)(square / 2);
        for (int i = 0; i < columns / 2; i++) memcpy(panels + (panel * (columns / 2) + i) * PANEL + column, s + 2 * i, 4);
    }
}

// Fill `order` (0 .. count - 1 at the start) so that neighbours in the sketch lie in one run of `leaf`: a k-d tree's leaves.
void arrange(const int16_t* sketch, int columns, int64_t count, int leaf, int32_t* order, int threads) {
    split(sketch, columns, order, count, leaf, threads);
}

// Write the `width` nearest rows of each query (distances and slots, by the query's own number); return how many distances were needed, -1
// when there was no room.
int64_t nearest(const Keys* keys, const Queries* queries, double scale, int width, float* distances, int64_t* slots, int threads) {
    const int64_t tiles = (queries->count + TILE - 1) / TILE;
    const int64_t group = TILE * std::max<int64_t>(1, std::min<int64_t>(GROUP, tiles / (2 * threads)));
    std::atomic<int64_t> exact{0};
    const bool room = shared((queries->count + group - 1) / group, threads, [&](int64_t part) {
        Search search{*keys, *queries, Bound(*keys, scale), width, {}, {}, {}};
        search.run(part * group, std::min(queries->count, (part + 1) * group), distances, slots);
        exact += search.exact;
    });
    return room ? exact.load() : -1;
}

// Find all pairs no farther apart than the query's limit (by its own number); hand over with `take_pairs`. Null: no room.
Pairs* within(const Keys* keys, const Queries* queries, double scale, const float* limits, int threads, int64_t* count) {
    const Bound bound(*keys, scale);
    const int64_t tiles = (queries->count + TILE - 1) / TILE, blocks = (keys->count + BLOCK - 1) / BLOCK;
    std::vector<Pairs> found;
    if (!shared(1, 1, [&](int64_t) { found.resize((tiles + GROUP - 1) / GROUP); })) return nullptr;
    const bool room = shared((int64_t)found.size(), threads, [&](int64_t part) {
        Tile tile;
        std::vector<float> scratch(keys->channels);
        Pairs& pairs = found[part];
        for (int64_t t = part * GROUP; t < std::min(tiles, (part + 1) * GROUP); t++) {
            fill(tile, *queries, t * TILE, keys->columns);
            for (int r = 0; r < tile.rows; r++) {
                tile.most[r] = bound(limits[tile.query[r]]);
                tile.least[r] = threshold((int64_t)tile.square[r], tile.most[r]);
            }
            tile.farthest = *std::max_element(tile.most, tile.most + tile.rows);
            for (int64_t b = 0; b < blocks; b++) {
                if (tile.box.gap(keys->boxes + b * 2 * BOX) > tile.farthest) continue;
                scan(*keys, tile, b, [&](int r, int64_t slot, int32_t) {
                    const int64_t q = tile.query[r];
                    const float d = distance(queries->rows + q * keys->channels, row(*keys, slot, scratch.data()), keys->channels);
                    if (d <= limits[q]) pairs.rows.push_back(q), pairs.slots.push_back(slot), pairs.distances.push_back(d);
                });
            }
        }
    });
    auto all = std::make_unique<Pairs>();
    if (!room || !shared(1, 1, [&](int64_t) {
            for (auto& part : found) {
                all->rows.insert(all->rows.end(), part.rows.begin(), part.rows.end());
                all->slots.insert(all->slots.end(), part.slots.begin(), part.slots.end());
                all->distances.insert(all->distances.end(), part.distances.begin(), part.distances.end());
            }
        }))
        return nullptr;
    *count = (int64_t)all->rows.size();
    return all.release();
}

void take_pairs(Pairs* pairs, int64_t* rows, int64_t* slots, float* distances) {
    std::copy(pairs->rows.begin(), pairs->rows.end(), rows);
    std::copy(pairs->slots.begin(), pairs->slots.end(), slots);
    std::copy(pairs->distances.begin(), pairs->distances.end(), distances);
    delete pairs;
}

// Mark the rows of (count, width) ids that hold an id which `dead` marks; -1 is no id.
void mark_rows(const int64_t* ids, int64_t count, int width, const uint8_t* dead, uint8_t* rows, int threads) {
    constexpr int64_t PART = 4096;
    shared((count + PART - 1) / PART, threads, [&](int64_t part) {
        for (int64_t n = part * PART; n < std::min(count, (part + 1) * PART); n++) {
            uint8_t any = 0;
            for (int i = 0; i < width; i++)
                if (const int64_t id = ids[n * width + i]; id >= 0) any |= dead[id];
            rows[n] = any;
        }
    });
}

// Write the distances of chosen pairs; +inf where the slot is -1. Returns 0 when there was no room.
int pair_distances(const Keys* keys, const float* queries, const int64_t* rows, const int64_t* slots, int64_t count, float* distances,
                    int threads) {
    constexpr int64_t PART = 4096, AHEAD = 8;
    return shared((count + PART - 1) / PART, threads, [&](int64_t part) {
        std::vector<float> scratch(keys->channels);
        const int bytes = keys->channels * (keys->format == FLOAT32 ? 4 : keys->format == FLOAT16 ? 2 : 1);
        const int64_t last = std::min(count, (part + 1) * PART);
        for (int64_t i = part * PART; i < last; i++) {
            if (i + AHEAD < last && slots[i + AHEAD] >= 0)
                for (int b = 0; b < bytes; b += 64) __builtin_prefetch((const char*)keys->codes + slots[i + AHEAD] * bytes + b);
            distances[i] = slots[i] < 0 ? std::numeric_limits<float>::infinity()
                                        : distance(queries + rows[i] * keys->channels, row(*keys, slots[i], scratch.data()), keys->channels);
        }
    });
}
}
