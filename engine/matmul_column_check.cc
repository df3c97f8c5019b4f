// Whether the library adds in the order of matmul_columns.h: another version may not.
#include <cstring>
#include <random>
#include <vector>

#include "engine/matmul_calls.h"
#include "engine/matmul_columns.h"
#include "engine/ops.h"
#include "engine/untouched_array.h"

namespace plumbline {
namespace {

constexpr int64_t kTriedRows = 3;

// Seeded numbers of the dtype.
std::vector<std::byte> Draw(WeightDtype dtype, int64_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  std::vector<std::byte> out(static_cast<size_t>(count * WeightDtypeBytes(dtype)));
  RoundRow(static_cast<int>(count), values.data(), dtype, out.data());
  return out;
}

bool AddsAsColumns(const dnnl::engine& engine, const CallShape& shape) {
  const std::unique_ptr<CallSet> set = MakeCallSet(engine, shape, {}, kTriedRows);
  if (!set->multiplies_columns()) return false;
  std::vector<std::byte> plain = Draw(shape.dtype, shape.outputs * shape.inputs);
  const std::vector<std::byte> x = Draw(shape.dtype, kTriedRows * shape.inputs);
  UntouchedArray<std::byte> room(set->weight_bytes());
  UntouchedArray<std::byte> scratch(static_cast<int64_t>(set->scratch_bytes));
  PackRows(engine, *set, plain.data(), room.get());
  std::vector<float> library(static_cast<size_t>(kTriedRows * shape.outputs));
  std::vector<float> columns(library.size());
  const dnnl_status_t status =
      set->Execute(0, room.get(), kTriedRows, x.data(),
                   reinterpret_cast<std::byte*>(library.data()), scratch.get());
  MultiplyColumns({shape.dtype, shape.outputs, shape.inputs, 1, room.get(), kTriedRows, x.data(),
                   columns.data()},
                  [](const ResultBlock&) {});
  return status == dnnl_success &&
         std::memcmp(library.data(), columns.data(), library.size() * sizeof(float)) == 0;
}

bool TryOut(WeightDtype dtype) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return AddsAsColumns(engine, {kColumnOutputs, 1000, dtype}) &&
         AddsAsColumns(engine, {kColumnOutputs, 2200, dtype});
}

}  // namespace

bool AddsAsColumns(WeightDtype dtype) {
  if (dtype == WeightDtype::kInt8) return true;
  if (dtype == WeightDtype::kF32) {
    static const bool f32 = TryOut(dtype);
    return f32;
  }
  static const bool bf16 = TryOut(dtype);
  return bf16;
}

}  // namespace plumbline
