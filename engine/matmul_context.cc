#include "engine/matmul_context.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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
  if (set == nullptr) set = MakeCallSet(engine, shape);
  MakeRoom(static_cast<int64_t>(set->scratch_bytes));
  return *set;
}

void MatmulContext::Impl::ReserveQ4(int64_t outputs, int64_t inputs, int64_t rows) {
  if (!MultipliesInTiles(WeightDtype::kInt8)) return;
  MakeRoom(Q4TileScratchBytes(outputs, inputs, threads, rows));
}

Q4Calls MatmulContext::Impl::CallsForQ4(int64_t outputs, int64_t inputs) {
  Q4Calls of;
  if (MultipliesInTiles(WeightDtype::kInt8)) {
    ReserveQ4(outputs, inputs, kMatmulCallRows);
  } else {
    const int64_t step = Q4PanelOutputs(outputs, inputs);
    const int64_t rest = outputs % step;
    of.whole = &Calls({step, inputs, WeightDtype::kInt8});
    of.last = rest == 0 ? of.whole : &Calls({rest, inputs, WeightDtype::kInt8});
  }
  q4.Reserve(of, outputs, inputs);
  return of;
}

MatmulContext::MatmulContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MatmulContext::~MatmulContext() = default;
void MatmulContext::ReserveWeights(int64_t bytes) { impl_->weights.Reserve(bytes); }
int MatmulContext::threads() const { return impl_->threads; }
int64_t MatmulContext::scratch_bytes() const { return impl_->scratch.bytes() + impl_->q4.bytes(); }

absl::StatusOr<std::unique_ptr<MatmulContext>> MatmulContext::Create(int threads) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->threads = UsableThreads(threads);
    impl->UseThreads();
    impl->engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
    impl->stream = dnnl::stream(impl->engine);
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
      const Q4Calls calls = impl_->CallsForQ4(outputs, inputs);
      if (calls.whole == nullptr) return DescribeTiles(dtype);
      return Describe({calls.whole, calls.last});
    }
    return Describe({&impl_->Calls({outputs, inputs, dtype})});
  } catch (const dnnl::error& error) {
    return FromLibrary(error, absl::StrCat("multiply in ", WeightDtypeName(dtype)));
  }
}

}  // namespace plumbline
