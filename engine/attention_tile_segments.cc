// What a block of the cache holds, read and written for attention in tiles (attention.h).
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/attention.h"
#include "engine/attention_tiles.h"
#include "engine/kv_convert.h"
#include "engine/kv_layout.h"

namespace plumbline {
namespace {

constexpr int kBytes = 2;  // of an element: bf16
constexpr int kPairBytes = 2 * kBytes;

// Copies one key's values out of a line of elements `from_step` bytes apart into one of pairs.
void CopyElements(const std::byte* from, int from_step, int count, std::byte* to, int to_step) {
  for (int i = 0; i < count; ++i) {
    std::memcpy(to + int64_t{1} * i * to_step, from + int64_t{1} * i * from_step, kBytes);
  }
}

// `count` runs of kRun pairs, so far apart there and here. A size that is known makes a copy no
// call.
struct Steps {
  int64_t from;
  int64_t to;
};
template <int kRun>
void CopyRuns(const std::byte* from, std::byte* to, Steps steps, int count) {
  for (int i = 0; i < count; ++i, from += steps.from, to += steps.to) {
    std::memcpy(to, from, static_cast<size_t>(kRun) * kPairBytes);
  }
}
void CopyRuns(int run, const std::byte* from, std::byte* to, Steps steps, int count) {
  switch (run) {
    case 1:
      return CopyRuns<1>(from, to, steps, count);
    case 2:
      return CopyRuns<2>(from, to, steps, count);
    case 4:
      return CopyRuns<4>(from, to, steps, count);
    case 8:
      return CopyRuns<8>(from, to, steps, count);
    default:
      for (int i = 0; i < count; ++i, from += steps.from, to += steps.to) {
        std::memcpy(to, from, static_cast<size_t>(run) * kPairBytes);
      }
  }
}

// Zeros for the keys from `first` to `end`, in pairs.
void ZeroValues(int first, int end, int head_dim, std::byte* values) {
  if (first % 2 == 1) {
    std::byte* pair = values + int64_t{1} * (first - 1) * head_dim * kBytes;
    constexpr std::array<std::byte, kBytes> kZero = {};
    CopyElements(kZero.data(), 0, head_dim, pair + kBytes, kPairBytes);
    ++first;
  }
  std::memset(values + int64_t{1} * first * head_dim * kBytes, 0,
              static_cast<size_t>(end - first) * head_dim * kBytes);
}

}  // namespace

void PagedAttention::WriteHeadInTiles(int block_tokens, int slot, Side side, const float* from,
                                      std::byte* panel) const {
  constexpr int kPiece = 64;
  std::array<std::byte, kPiece * kBytes> narrow;
  const int head_dim = shape_.head_dim;
  const KeyPlace key = PlaceKey(slot, head_dim / 2, block_tokens);  // in pairs
  const int64_t key_step = int64_t{kPairBytes} * key.width;
  const ValuePlace value = PlaceValue(slot, head_dim, block_tokens);
  if (side == Side::kValues) panel += block_tokens * KvRowBytes(KvDtype::kBf16, head_dim);
  for (int d = 0; d < head_dim; d += kPiece) {
    const int count = std::min(kPiece, head_dim - d);
    NarrowFromF32(KvDtype::kBf16, from + d, count, narrow.data());
    if (side == Side::kValues) {
      CopyElements(narrow.data(), kBytes, count, panel + value.first + int64_t{1} * d * value.step,
                   value.step);
      continue;
    }
    std::byte* to = panel + key.first * kPairBytes + d / 2 * key_step;
    for (int i = 0; i < count; i += 2, to += key_step) {
      std::memcpy(to, narrow.data() + static_cast<size_t>(i) * kBytes, kPairBytes);
    }
  }
}

void PagedAttention::GatherKeysInTiles(const Pass& pass, const Task& task, const Unit& unit,
                                       int keys, std::byte* gathered) const {
  const int block_tokens = pass.store.geometry().block_tokens;
  const int pairs = shape_.head_dim / 2;
  for (int key = 0; key < keys;) {
    const int position = unit.segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const KeyPlace from = PlaceKey(slot, pairs, block_tokens);
    const KeyPlace to = PlaceKey(key, pairs, kSegmentKeys);
    // To the end of the group there, or of the one here.
    const int run =
        std::min({keys - key, from.width - slot % kKeyGroup, kKeyGroup - key % kKeyGroup});
    const std::byte* panel = HeadPanelAt(pass, task, unit, position).keys;
    FetchAhead(pass, task, unit, keys, key);
    CopyRuns(run, panel + from.first * kPairBytes, gathered + to.first * kPairBytes,
             {int64_t{kPairBytes} * from.width, int64_t{kPairBytes} * to.width}, pairs);
    key += run;
  }
}

void PagedAttention::GatherValuesInTiles(const Pass& pass, const Task& task, const Unit& unit,
                                         int keys, std::byte* gathered) const {
  const int block_tokens = pass.store.geometry().block_tokens;
  const int head_dim = shape_.head_dim;
  for (int key = 0; key < keys;) {
    const int position = unit.segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const std::byte* panel = HeadPanelAt(pass, task, unit, position).values;
    const ValuePlace from = PlaceValue(slot, head_dim, block_tokens);
    const ValuePlace to = PlaceValue(key, head_dim, kSegmentKeys);
    if (block_tokens % 2 == 1) {  // pairs there are not pairs here
      CopyElements(panel + from.first, from.step, head_dim, gathered + to.first, to.step);
      ++key;
      continue;
    }
    // Whole pairs, with what lies beside an odd last key.
    const int run = std::min(keys - key, block_tokens - slot);
    std::memcpy(gathered + to.first, panel + from.first,
                static_cast<size_t>(run + run % 2) * head_dim * kBytes);
    key += run;
  }
}

void PagedAttention::ViewSegmentInTiles(const Pass& pass, const Task& task, const Unit& unit,
                                        int keys, Scratch& scratch, SegmentView& view) const {
  const int block_tokens = pass.store.geometry().block_tokens;
  view.dtype = KvDtype::kBf16;
  if (!GroupsInBlocks(block_tokens)) {
    auto* const gathered_keys = reinterpret_cast<std::byte*>(scratch.keys.get());
    auto* const gathered_values = reinterpret_cast<std::byte*>(scratch.values.get());
    GatherKeysInTiles(pass, task, unit, keys, gathered_keys);
    GatherValuesInTiles(pass, task, unit, keys, gathered_values);
    const int64_t group_bytes = int64_t{kKeyGroup} * shape_.head_dim * kBytes;
    for (int i = 0; i < view.groups; ++i) {
      view.keys[i] = gathered_keys + i * group_bytes;
      view.values[i] = gathered_values + i * group_bytes;
    }
    return;
  }
  // A block is looked up once for all its groups: a decode step has little else to do but read.
  const absl::Span<const BlockId> table = pass.batch.blocks(pass.batch.spans[task.span]);
  const int first = unit.segment * kSegmentKeys;
  const int64_t side = int64_t{kBytes} * block_tokens * shape_.head_dim;
  const int64_t head = 2 * side * (task.kv_head + unit.head);
  int block = first / block_tokens;
  int slot = first % block_tokens;
  for (int i = 0; i < view.groups; slot = 0) {
    const std::byte* const panel =
        pass.store.LayerBlock(0, pass.layer, table[block++]).data() + head;
    // Where they lie is looked up meanwhile (page_ahead.h): a view is made one segment early.
    __builtin_prefetch(panel);
    __builtin_prefetch(panel + side);
    for (; slot < block_tokens && i < view.groups; slot += kKeyGroup, ++i) {
      view.keys[i] = panel + int64_t{kBytes} * slot * shape_.head_dim;
      view.values[i] = view.keys[i] + side;
    }
  }
}

void PagedAttention::PadValues(int keys, Scratch& scratch, SegmentView& view) const {
  const int in_group = keys % kKeyGroup;
  if (in_group == 0) return;
  const std::byte*& values = view.values[view.groups - 1];
  auto* const padded = reinterpret_cast<std::byte*>(scratch.values.get()) +
                       int64_t{kKeyGroup} * (view.groups - 1) * shape_.head_dim * kBytes;
  // Whole pairs, with what lies beside an odd last key.
  if (values != padded) {
    std::memcpy(padded, values,
                static_cast<size_t>(in_group + in_group % 2) * shape_.head_dim * kBytes);
  }
  ZeroValues(in_group, kKeyGroup, shape_.head_dim, padded);
  values = padded;
}

}  // namespace plumbline
