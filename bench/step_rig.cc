#include "bench/step_rig.h"

#include <cstdlib>
#include <iostream>
#include <numeric>

#include "bench/limits.h"
#include "engine/tensor_source.h"

namespace plumbline {
namespace {

template <class T>
T ValueOrExit(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

}  // namespace

StepRig::StepRig(const std::string& model, WeightDtype weights, KvDtype kv, int threads,
                 int tokens) {
  ModelOptions options;
  options.weights = weights;
  options.kv_dtype = kv;
  options.threads = threads;
  const auto source = ValueOrExit(OpenModel(model));
  model_ = ValueOrExit(Model::Load(*source, options));
  const KvGeometry geometry = source->config().CacheGeometry(kv, options.block_tokens);
  table_.resize(geometry.BlocksFor(tokens));
  std::iota(table_.begin(), table_.end(), 0);
  store_ = ValueOrExit(KvStore::Create(geometry, static_cast<int>(table_.size())));
  tokens_.resize(tokens);
  for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>(i * 7919 % 256);
}

double StepRig::Run(int position, int count) {
  batch_.Clear();
  batch_.AddSpan(absl::MakeConstSpan(tokens_).subspan(position, count), position, 1, table_);
  return SecondsOf([&] { ValueOrExit(model_->Forward(batch_, *store_, &work_)); });
}

}  // namespace plumbline
