"""The fused scan on a GPU, in Triton: tile products whose scores never leave the chip unless they may be among the best.

One launch visits a part of the keys and appends each score above its query's threshold to that query's short list. The
parts grow by GROWTH: the first is scored by torch, and after each part the m-th best score so far is the next threshold,
so a part adds about (GROWTH - 1) m entries to a list and almost every tile ends after one comparison. That is the running
top-m; kept in memory between the launches instead of registers, it leaves these to the product.

A part holds every s-th key that no coarser part has, so that neighbouring keys (one stroke, one picture) fall into all
parts alike and the first parts are a fair sample. Lists that overflow all the same are scanned again from the m-th best of
what they caught: it is higher, so this ends.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl

GROWTH = 4  # each part has 3 times as many keys as all before it: few launches, short lists
FIRST = 8192  # keys scored by torch at most
ROOM = 8  # places of a list per entry wanted; a part brings about 3


class Tiles(NamedTuple):
    """Queries, keys and channels of one tile (powers of two from 16 on), and how Triton runs it."""

    queries: int
    keys: int
    channels: int
    warps: int
    stages: int  # tiles on their way from memory
    programs: int  # that run together, on all processors of the device


def tiles_for(queries: torch.Tensor) -> Tiles:
    """Return tiles for (Q, D) queries in the type of the product: checked by compiling for sm_80 and sm_90, not yet timed.

    Half precision: where a processor has 200 KiB of shared memory (H100), the largest tile whose loop stays in registers,
    since the traffic between L2 and the processors limits it; else what fits into 99 KiB. float32 has no exact product on
    the tensor cores, so its tiles are small and two run on a processor. On the CPU (Triton's interpreter): the smallest.
    """
    if not queries.is_cuda:
        return Tiles(16, 16, 16, 4, 2, 3)
    device = torch.cuda.get_device_properties(queries.device)
    rows = min(max(triton.next_power_of_2(len(queries)), 16), 128)
    if queries.dtype == torch.float32:
        return Tiles(min(rows, 64), 128, 32, 8, 2, 2 * device.multi_processor_count)
    large = getattr(device, "shared_memory_per_block_optin", 0) >= 200 * 1024  # AMD's devices do not say
    return Tiles(rows, 256 if large else 128, 64, 8, 3, device.multi_processor_count)


def scan(queries: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor | None, m: int
         ) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the slots of the m best scores, and the cut: every key whose score is above it is among these slots.

    queries (Q, D) of the type of the product; codes (N, D) of that type or int8, N <= 2^30, m <= N; scales (N,) float32 or
    None; a score is scale * <query, code>. Returns (Q, m) int64 by descending score and (Q,) float32, -inf where all keys
    are in the list.
    """
    stride, tiles = 1, tiles_for(queries)
    while -(-len(codes) // stride) > max(FIRST, GROWTH * m):
        stride *= GROWTH
    scores = queries.float() @ codes[::stride].float().T
    if scales is not None:
        scores *= scales[::stride]
    best, slots = scores.topk(m, dim=1)
    slots *= stride
    cut = best[:, -1].clone() if m < len(codes) else torch.full_like(best[:, 0], -torch.inf)
    while stride > 1:
        stride //= GROWTH
        _part(queries, codes, scales, stride, tiles, best, slots, cut)
    return slots, cut


def _part(queries: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor | None, stride: int, tiles: Tiles,
          best: torch.Tensor, slots: torch.Tensor, cut: torch.Tensor) -> None:
    """Take the keys at multiples of `stride` that are none of GROWTH * stride into best, slots and cut."""
    m = best.shape[1]
    waiting = torch.arange(len(queries), device=queries.device)
    while len(waiting):
        lengths, found, found_slots = _launch(queries[waiting], codes, scales, cut[waiting], stride, tiles, ROOM * m)
        values, order = torch.cat([best[waiting], found], 1).topk(m, dim=1)
        cut[waiting] = torch.maximum(cut[waiting], values[:, -1])
        whole = lengths <= ROOM * m
        done = waiting[whole]
        slots[done] = torch.cat([slots[waiting], found_slots.long()], 1).gather(1, order)[whole]
        best[done] = values[whole]
        waiting = waiting[~whole]


def _launch(queries: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor | None, cut: torch.Tensor, stride: int,
            tiles: Tiles, room: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return how many keys of a part score above the cut, and the first `room` of them: (Q,), (Q, room), (Q, room)."""
    rows, (count, channels), device = len(queries), codes.shape, queries.device
    lengths = torch.zeros(rows, dtype=torch.int32, device=device)
    found = torch.full((rows, room), -torch.inf, device=device)
    found_slots = torch.zeros((rows, room), dtype=torch.int32, device=device)
    places = triton.cdiv(count - stride, GROWTH * stride)  # keys of the part for each of its GROWTH - 1 remainders
    blocks = triton.cdiv(rows, tiles.queries)
    items = blocks * triton.cdiv(places, tiles.keys) * (GROWTH - 1)
    with torch.cuda.device_of(queries):
        _append[(min(items, tiles.programs),)](
            queries, codes, found if scales is None else scales, cut, lengths, found, found_slots, rows, count, channels, stride,
            blocks, items, room, scaled=scales is not None, even=channels % tiles.channels == 0, growth=GROWTH,
            tile_q=tiles.queries, tile_n=tiles.keys, tile_d=tiles.channels, stages=tiles.stages, num_warps=tiles.warps)
    return lengths, found, found_slots


@triton.jit(do_not_specialize=["rows", "count", "stride", "blocks", "items", "capacity"])
def _append(queries, codes, scales, thresholds, lengths, found, found_slots, rows, count, channels, stride, blocks, items,
            capacity, scaled: tl.constexpr, even: tl.constexpr, growth: tl.constexpr, tile_q: tl.constexpr,
            tile_n: tl.constexpr, tile_d: tl.constexpr, stages: tl.constexpr):
    """Append (score, slot) of every key of the part `stride` above its query's threshold.

    queries (rows, channels) and codes (count, channels), contiguous; scales (count,) or unused; thresholds, lengths (rows,);
    found, found_slots (rows, capacity). Work item i: query block i % blocks, key tile i // blocks, so that programs that run
    together read the same keys. One loop over all steps of all items lets loads run ahead across tiles.
    """
    chunks, gap = tl.cdiv(channels, tile_d), growth * stride
    program, programs = tl.program_id(0), tl.num_programs(0)
    mine = tl.cdiv(items - program, programs)
    lane = tl.arange(0, tile_n)
    product = tl.zeros((tile_q, tile_n), dtype=tl.float32)
    item, chunk = program - programs, chunks - 1
    first, start, last = 0, 0, 0
    for _ in tl.range(0, mine * chunks, num_stages=stages):
        chunk = tl.where(chunk == chunks - 1, 0, chunk + 1)
        if chunk == 0:
            item += programs
            first, tile = item % blocks * tile_q, item // blocks
            start = (tile // (growth - 1) * tile_n * growth + tile % (growth - 1) + 1) * stride  # no multiple of `gap`
            last = (count - 1 - start + gap) // gap - 1
        # beyond the last row or key the last one is read again: cheaper than a mask, and below it is left out
        row = tl.minimum(first + tl.arange(0, tile_q), rows - 1)
        there = tl.minimum(lane, last) * gap
        column = chunk * tile_d + tl.arange(0, tile_d)
        q_at = queries + row[:, None] * channels + column[None, :]
        k_at = codes + (start + there).to(tl.int64)[:, None] * channels + column[None, :]
        if even:
            q, k = tl.load(q_at), tl.load(k_at)
        else:
            known = (column < channels)[None, :]
            q, k = tl.load(q_at, mask=known, other=0.0), tl.load(k_at, mask=known, other=0.0)
        product = tl.dot(q, tl.trans(k.to(q.dtype)), product, input_precision="ieee")
        if chunk == chunks - 1:
            score = product
            if scaled:
                score *= tl.load(scales + start + there)[None, :]
            row = first + tl.arange(0, tile_q)
            least = tl.load(thresholds + row, mask=row < rows, other=float("inf"))
            best = tl.max(score, 1)
            while tl.max((best > least).to(tl.int32), 0) > 0:
                at = tl.max(tl.where(score == best[:, None], lane[None, :], 0), 1)
                hit = (best > least) & (at <= last)
                place = tl.atomic_add(lengths + row, 1, mask=hit, sem="relaxed")
                room = hit & (place < capacity)
                tl.store(found + row * capacity + place, best, mask=room)
                tl.store(found_slots + row * capacity + place, start + at * gap, mask=room)
                score = tl.where(lane[None, :] == at[:, None], -float("inf"), score)
                best = tl.max(score, 1)
            product = tl.zeros((tile_q, tile_n), dtype=tl.float32)
