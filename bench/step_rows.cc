// Rows that time steps of a loaded model between limits (tools/bench_measure.h).
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/rows.h"
#include "engine/tensor_source.h"
#include "tools/bench_measure.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr char kLarge[] = "synthetic:tinyllama-1.1b";
constexpr char kSmall[] = "synthetic:llama-160m,kv_heads=4";
constexpr char kSmallMqa[] = "synthetic:llama-160m,kv_heads=1";
constexpr int64_t kDeep = 16384;

struct StepCase {
  std::string model;
  WeightDtype weights;
  KvDtype kv_dtype;
  BenchTest test;
  const char* target;  // of the ratio
};

// What a row compares: both in one unit, over one repetition.
struct StepView {
  std::function<double(const BenchResult&, const BenchSample&)> measured;
  std::function<double(const BenchSample&)> limit;
  const char* unit;
};

BenchSetup SetupOf(const StepCase& c, int threads) {
  return {c.model, c.weights, c.kv_dtype, threads, {c.test}};
}

std::string NameOf(const StepCase& c) {
  return absl::StrCat(BenchTestName(c.test), " ", WeightDtypeName(c.weights), "/",
                      KvDtypeName(c.kv_dtype), c.model == kSmallMqa ? " g=1" : "");
}

absl::StatusOr<std::unique_ptr<BenchRig>> RigFor(const StepCase& c, const BenchHow& how,
                                                 int threads) {
  const auto source = OpenModel(c.model);
  if (!source.ok()) return source.status();
  BenchRoom room;
  room.Add(c.test, how.chunk_tokens, how.block_tokens);
  return BenchRig::Load(**source, SetupOf(c, threads), how, room, {});
}

absl::StatusOr<BenchResult> Measured(const StepCase& c, const RowOptions& options) {
  const auto limits = AnchorProbe::Create(options.threads, LibraryLimits(c.weights));
  if (!limits.ok()) return limits.status();
  const auto rig = RigFor(c, {}, options.threads);
  if (!rig.ok()) return rig.status();
  BenchResult result{c.test, {}, {}};
  absl::Status status = MeasureBenchTest(**rig, **limits, options.repetitions, {}, result);
  if (!status.ok()) return status;
  return result;
}

std::string WithUnit(double value, const char* unit) {
  const std::string text = FormatSi(value);
  return absl::StrCat(text, text.find(' ') == std::string::npos ? " " : "", unit);
}

void Report(const std::string& name, const BenchResult& result, const StepView& view,
            const char* target, const RowSink& sink) {
  const auto measured = [&](const BenchSample& s) { return view.measured(result, s); };
  const auto ratio = [&](const BenchSample& s) { return measured(s) / view.limit(s); };
  sink({name, WithUnit(SpreadOf(result, view.limit).median, view.unit),
        WithUnit(SpreadOf(result, measured).median, view.unit), SpreadOf(result, ratio), target});
}

absl::Status RunCases(const std::vector<StepCase>& cases, const StepView& view,
                      const RowOptions& options, const RowSink& sink) {
  for (const StepCase& c : cases) {
    const absl::StatusOr<BenchResult> result = Measured(c, options);
    if (!result.ok()) return result.status();
    Report(NameOf(c), *result, view, c.target, sink);
  }
  return absl::OkStatus();
}

double MatmulLimit(const BenchSample& sample) { return sample.limits.matmul_flops_per_second; }

// Useful operations of whole steps, each multiply-accumulate two of them.
double StepRate(const BenchResult& result, const BenchSample& sample) {
  return 2.0 * static_cast<double>(result.counts.macs.TotalUseful()) / sample.seconds;
}

double AttentionRate(const BenchResult& result, const BenchSample& sample) {
  const auto scores = static_cast<size_t>(WorkClass::kScores);
  const auto softmax = static_cast<size_t>(WorkClass::kSoftmax);
  const auto values = static_cast<size_t>(WorkClass::kWeightedValues);
  const auto& macs = result.counts.macs.useful;
  return 2.0 * static_cast<double>(macs[scores] + macs[values]) /
         (sample.class_seconds[scores] + sample.class_seconds[softmax] +
          sample.class_seconds[values]);
}

// Seconds of one repetition on each of two rigs in turn: the first one is the limit.
absl::Status ComparePaged(const StepCase& c, const RowOptions& options, const RowSink& sink) {
  BenchHow paged, whole;
  paged.shuffle_blocks = true;
  whole.block_tokens = static_cast<int>(c.test.depth + c.test.prompt + c.test.generated);
  const auto paged_rig = RigFor(c, paged, options.threads);
  if (!paged_rig.ok()) return paged_rig.status();
  const auto whole_rig = RigFor(c, whole, options.threads);
  if (!whole_rig.ok()) return whole_rig.status();
  const auto tokens = static_cast<double>(c.test.tokens());
  const auto rate = [&](BenchRig& rig) -> absl::StatusOr<double> {
    BenchCounts counts;
    const absl::StatusOr<BenchSample> sample = rig.Run(c.test, &counts);
    if (!sample.ok()) return sample.status();
    return tokens / sample->seconds;
  };
  absl::Status status = (*paged_rig)->WarmUp(c.test);
  if (status.ok()) status = (*whole_rig)->WarmUp(c.test);
  if (!status.ok()) return status;
  const auto rates = MeasureBetween(
      options.repetitions, [&] { return rate(**paged_rig); }, [&] { return rate(**whole_rig); });
  if (!rates.ok()) return rates.status();
  sink({NameOf(c), WithUnit(SpreadOf(rates->limits).median, "t/s"),
        WithUnit(SpreadOf(rates->measured).median, "t/s"), SpreadOf(rates->ratios), c.target});
  return absl::OkStatus();
}

}  // namespace

absl::Status PrefillRow(const RowOptions& options, const RowSink& sink) {
  constexpr BenchTest kTest = {512, 0, 0, 1};
  return RunCases({{kLarge, WeightDtype::kF32, KvDtype::kF32, kTest, ">= 0.90"},
                   {kLarge, WeightDtype::kBf16, KvDtype::kBf16, kTest, ">= 0.90"},
                   {kLarge, WeightDtype::kInt8, KvDtype::kBf16, kTest, ">= 0.75"},
                   {kLarge, WeightDtype::kQ4, KvDtype::kBf16, kTest, ">= 0.90 of int8"}},
                  {&StepRate, &MatmulLimit, "FLOP/s"}, options, sink);
}

absl::Status PrefillDeepRow(const RowOptions& options, const RowSink& sink) {
  return RunCases({{kSmall, WeightDtype::kBf16, KvDtype::kBf16, {512, 0, kDeep, 1}, ">= 0.60"}},
                  {&AttentionRate, &MatmulLimit, "FLOP/s"}, options, sink);
}

absl::Status DecodeRow(const RowOptions& options, const RowSink& sink) {
  const auto rate = [](const BenchResult& result, const BenchSample& sample) {
    return static_cast<double>(Total(result.counts.bytes)) / sample.seconds;
  };
  const auto limit = [](const BenchSample& sample) { return sample.limits.read_bytes_per_second; };
  constexpr BenchTest kTest = {0, 16, 240, 1};
  return RunCases({{kLarge, WeightDtype::kBf16, KvDtype::kBf16, kTest, ">= 0.90"},
                   {kLarge, WeightDtype::kInt8, KvDtype::kBf16, kTest, ">= 0.90"},
                   {kLarge, WeightDtype::kQ4, KvDtype::kBf16, kTest, ">= 0.80"}},
                  {rate, limit, "B/s"}, options, sink);
}

absl::Status DecodeManyRow(const RowOptions& options, const RowSink& sink) {
  const StepCase c = {kLarge, WeightDtype::kInt8, KvDtype::kBf16, {0, 16, 112, 32}, ">= 0.70"};
  const absl::StatusOr<BenchResult> result = Measured(c, options);
  if (!result.ok()) return result.status();
  Report(NameOf(c), *result, {&StepRate, &MatmulLimit, "FLOP/s"}, c.target, sink);
  // What its weights leave of that rate while they come from memory.
  const auto roofline = [&](const BenchSample& sample) {
    return 2.0 * static_cast<double>(result->counts.macs.TotalUseful()) /
           sample.attainable.by_class_seconds;
  };
  Report("  the same, its roofline", *result, {&StepRate, roofline, "FLOP/s"}, "", sink);
  return absl::OkStatus();
}

absl::Status DecodeDeepRow(const RowOptions& options, const RowSink& sink) {
  const auto rate = [](const BenchResult& result, const BenchSample& sample) {
    return static_cast<double>(result.test.tokens()) / sample.seconds;
  };
  constexpr BenchTest kTest = {0, 16, kDeep, 1};
  const auto limit = [kTest](const BenchSample& sample) {
    return static_cast<double>(kTest.tokens()) / sample.attainable.by_class_seconds;
  };
  return RunCases({{kSmall, WeightDtype::kBf16, KvDtype::kBf16, kTest, ">= 0.85"},
                   {kSmallMqa, WeightDtype::kBf16, KvDtype::kBf16, kTest, ">= 0.85"},
                   {kSmall, WeightDtype::kBf16, KvDtype::kF16, kTest, ""},
                   {kSmallMqa, WeightDtype::kBf16, KvDtype::kF16, kTest, ""},
                   {kSmall, WeightDtype::kBf16, KvDtype::kInt8, kTest, ""}},
                  {rate, limit, "t/s"}, options, sink);
}

absl::Status PagedRow(const RowOptions& options, const RowSink& sink) {
  for (const BenchTest& test : {BenchTest{0, 16, kDeep, 1}, BenchTest{512, 0, kDeep, 1}}) {
    absl::Status status =
        ComparePaged({kSmall, WeightDtype::kBf16, KvDtype::kBf16, test, ">= 0.98"}, options, sink);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status OtherRow(const RowOptions& options, const RowSink& sink) {
  const auto other = [](const BenchResult&, const BenchSample& sample) {
    return sample.class_seconds[static_cast<size_t>(WorkClass::kOther)];
  };
  const auto all = [](const BenchSample& sample) { return Total(sample.class_seconds); };
  std::vector<StepCase> cases;
  for (const BenchTest& test : {BenchTest{512, 0, 0, 1}, BenchTest{0, 32, 128, 1}}) {
    cases.push_back({kSmall, WeightDtype::kF32, KvDtype::kF32, test, "<= 0.04"});
    cases.push_back({kSmall, WeightDtype::kBf16, KvDtype::kBf16, test, "<= 0.04"});
  }
  return RunCases(cases, {other, all, "s"}, options, sink);
}

}  // namespace plumbline
