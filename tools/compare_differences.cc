// What two load tests do not have in common: settings, and the machine's speed.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/compare_loads.h"

namespace plumbline {
namespace {

class DifferenceList {
 public:
  void Add(const char* name, std::string a, std::string b, bool warning) {
    if (a != b) list_.push_back({name, std::move(a), std::move(b), warning});
  }
  void Add(const char* name, int64_t a, int64_t b) {
    Add(name, absl::StrCat(a), absl::StrCat(b), /*warning=*/false);
  }
  // Policies that differ from what is usual are named, the others not.
  void AddPolicies(const LoadRecord& a, const LoadRecord& b) {
    for (const auto& [name, value] : a.policy) {
      Add(name.c_str(), value, PolicyOf(b, name), /*warning=*/false);
    }
    for (const auto& [name, value] : b.policy) {
      if (PolicyOf(a, name) == kUsual) Add(name.c_str(), kUsual, value, /*warning=*/false);
    }
  }
  std::vector<SettingDifference> Take() {
    std::stable_partition(list_.begin(), list_.end(),
                          [](const SettingDifference& entry) { return entry.warning; });
    return std::move(list_);
  }

 private:
  static constexpr const char* kUsual = "usual";

  static std::string PolicyOf(const LoadRecord& record, const std::string& name) {
    const auto found = std::find_if(record.policy.begin(), record.policy.end(),
                                    [&name](const auto& entry) { return entry.first == name; });
    return found == record.policy.end() ? kUsual : found->second;
  }

  std::vector<SettingDifference> list_;
};

const char* SaltWord(uint64_t salt) { return salt == 0 ? "none" : "drawn"; }

// The logarithms of one anchor.
using AnchorMember = double Anchors::*;
std::vector<double> LogAnchors(const LoadRecord& record, AnchorMember member) {
  std::vector<double> logs;
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const std::optional<Anchors>* anchors :
         {&repetition.anchors_before, &repetition.anchors_after}) {
      if (anchors->has_value()) logs.push_back(std::log((**anchors).*member));
    }
  }
  return logs;
}

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double RangeOf(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  const auto [least, most] = std::minmax_element(a.begin(), a.end());
  return *most - *least;
}

bool OnTheMachine(const LoadRecord& record) {
  return record.target != "simulation" && record.target != "replay";
}

}  // namespace

std::vector<SettingDifference> DifferencesOf(const LoadFile& a, const LoadFile& b) {
  const LoadRecord& first = a.record;
  const LoadRecord& second = b.record;
  DifferenceList list;
  list.Add("model", first.model, second.model, true);
  list.Add("target", first.target, second.target, true);
  list.Add("workload", first.workload, second.workload, true);
  list.Add("seed", absl::StrCat(first.seed), absl::StrCat(second.seed), true);
  list.Add("salt", SaltWord(first.salt), SaltWord(second.salt), true);
  list.Add("goals", a.slo.text, b.slo.text, true);
  list.Add("weights", first.weights, second.weights, false);
  list.Add("kv_dtype", first.kv_dtype, second.kv_dtype, false);
  list.AddPolicies(first, second);
  list.Add("threads", first.threads, second.threads);
  list.Add("replicas", first.replicas, second.replicas);
  list.Add("block_tokens", first.block_tokens, second.block_tokens);
  list.Add("blocks", first.blocks, second.blocks);
  return list.Take();
}

double MachineAllowance(const LoadRecord& a, const LoadRecord& b, bool whole) {
  if (!OnTheMachine(a) && !OnTheMachine(b)) return 0;
  double allowance = 0;
  bool has_anchors = true;
  for (const AnchorMember member :
       {&Anchors::matmul_flops_per_second, &Anchors::read_bytes_per_second}) {
    const std::vector<double> first = LogAnchors(a, member);
    const std::vector<double> second = LogAnchors(b, member);
    has_anchors = has_anchors && !first.empty() && !second.empty();
    if (first.empty() || second.empty()) continue;
    allowance = std::max(allowance,
                         whole ? std::abs(MeanOf(first) - MeanOf(second)) : RangeOf(first, second));
  }
  return whole && has_anchors ? allowance : std::max(allowance, std::log1p(kMostDrift));
}

}  // namespace plumbline
