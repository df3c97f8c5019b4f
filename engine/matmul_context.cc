#include "engine/matmul_context.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/matmul_q4.h"
#include "engine/matmul_sizes.h"
#include "engine/matmul_tiles.h"
#include "engine/parallel.h"

namespace plumbline {

MatmulContext::Implementation DescribeTiles(WeightDtype dtype) {
  return {absl::StrCat("tiles:", WeightDtypeName(dtype)), true, true, true};
}

MatmulContext::Implementation Describe(const std::vector<const CallSet*>& calls) {
  MatmulContext::Implementation all = {"", true, true, true};
  std::set<std::string> names;
  for (const CallSet* set : calls) {
    names.insert(set->implementation);
    all.rows_independent = all.rows_independent && set->rows_independent;
    all.blocked = all.blocked && absl::StartsWith(set->implementation, "brg");
    all.packed_as_read = all.packed_as_read && set->in_columns;
  }
  all.name = absl::StrJoin(names, " and ");
  return all;
}

void MatmulContext::Impl::MakeRoom(int64_t bytes) {
  if (scratch.bytes() >= bytes) return;
  scratch = UntouchedArray<std::byte>(bytes);
  scratch.Touch();  // so that no step pays for its pages
}

CallSet& MatmulContext::Impl::Calls(const CallShape& shape) {
  std::unique_ptr<CallSet>& set = shapes[shape];
  if (set == nullptr) set = MakeCallSet(engine, shape, {1, threads}, kMatmulCallRows);
  MakeRoom(static_cast<int64_t>(set->scratch_bytes));
  return *set;
}

CallSet& MatmulContext::Impl::SliceOf(const CallShape& shape, int64_t outputs) {
  const CallShape slice = {outputs, shape.inputs, shape.dtype};
  std::unique_ptr<CallSet>& set = slices[slice];
  if (set == nullptr) set = MakeCallSet(engine, slice, {threads, 1}, kMatmulCallRows);
  return *set;
}

SliceCalls MatmulContext::Impl::SlicesOf(const CallShape& shape, int64_t most_outputs) {
  const SliceCut cut = CutOutputs(shape.outputs, threads, most_outputs);
  SliceCalls of;
  of.slices = cut.slices;
  of.last = &SliceOf(shape, cut.last);
  of.each = cut.slices == 1 ? of.last : &SliceOf(shape, cut.each);
  return of;
}

SliceCalls MatmulContext::Impl::Slices(const CallShape& shape) {
  const SliceCalls of = SlicesOf(shape, MostSliceOutputs(shape.outputs));
  if (!of.in_columns()) return {};
  MakeRoom(threads * of.scratch_bytes());
  return of;
}

SliceCalls MatmulContext::Impl::SlicesForQ4(int64_t outputs, int64_t inputs) {
  SliceCalls of;
  if (!MultipliesInTiles(WeightDtype::kInt8)) {
    of = SlicesOf({outputs, inputs, WeightDtype::kInt8}, kQ4SliceOutputs);
  }
  MakeRoom(Q4ScratchBytes(of, outputs, inputs, threads, kMatmulCallRows));
  return of;
}

MatmulContext::MatmulContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MatmulContext::~MatmulContext() = default;
void MatmulContext::ReserveWeights(int64_t bytes) { impl_->weights.Reserve(bytes); }
int MatmulContext::threads() const { return impl_->threads; }
int64_t MatmulContext::scratch_bytes() const { return impl_->scratch.bytes(); }

absl::StatusOr<std::unique_ptr<MatmulContext>> MatmulContext::Create(int threads) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->threads = UsableThreads(threads);
    impl->UseThreads();
    impl->engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
    return std::unique_ptr<MatmulContext>(new MatmulContext(std::move(impl)));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "start");
  }
}

absl::StatusOr<MatmulContext::Implementation> MatmulContext::Probe(int64_t outputs, int64_t inputs,
                                                                   WeightDtype dtype) {
  try {
    impl_->UseThreads();
    if (MultipliesInTiles(dtype)) {
      impl_->MakeRoom(TileScratchBytes({outputs, inputs, dtype}, impl_->threads, kMatmulCallRows));
      return DescribeTiles(dtype);
    }
    if (dtype == WeightDtype::kQ4) {
      const SliceCalls calls = impl_->SlicesForQ4(outputs, inputs);
      if (calls.each == nullptr) return DescribeTiles(dtype);
      return Describe({calls.each, calls.last});
    }
    const CallShape shape = {outputs, inputs, dtype};
    const SliceCalls calls = impl_->Slices(shape);
    if (calls.each == nullptr) return Describe({&impl_->Calls(shape)});
    return Describe({calls.each, calls.last});
  } catch (const dnnl::error& error) {
    return FromLibrary(error, absl::StrCat("multiply in ", WeightDtypeName(dtype)));
  }
}

}  // namespace plumbline
