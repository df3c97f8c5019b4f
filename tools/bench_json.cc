// The results of `plumbline bench` for programs, with llama-bench's names where it has the field.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench.h"
#include "tools/csv_text.h"
#include "tools/json_text.h"

namespace plumbline {
namespace {

using BenchJsonValue = nlohmann::ordered_json;

constexpr double kNanosecondsPerSecond = 1e9;

BenchJsonValue CountPair(int64_t measured, int64_t formula) {
  return {{"measured", measured}, {"formula", formula}};
}

BenchJsonValue ShareJson(const BenchSpread& share) {
  return {{"median", FiniteOrNull(share.median)},
          {"q1", FiniteOrNull(share.first_quartile)},
          {"q3", FiniteOrNull(share.third_quartile)}};
}

// One figure of each sample.
template <class Figure>
BenchJsonValue SampleList(const BenchResult& result, const Figure& figure) {
  BenchJsonValue list = BenchJsonValue::array();
  for (const BenchSample& sample : result.samples) list.push_back(figure(sample));
  return list;
}

// What both a result and a test that was left out are of.
BenchJsonValue TestJson(const BenchRun& run, const BenchGroup& group, const BenchTest& test) {
  return {{"model_filename", group.setup.model},
          {"model_type", group.name},
          {"model_size", group.weight_bytes},
          {"model_n_params", group.parameters},
          {"n_batch", run.chunk_tokens},
          {"n_threads", group.setup.threads},
          {"weights", std::string(WeightDtypeName(group.setup.weights))},
          {"type_k", std::string(KvDtypeName(group.setup.kv_dtype))},
          {"type_v", std::string(KvDtypeName(group.setup.kv_dtype))},
          {"n_prompt", test.prompt},
          {"n_gen", test.generated},
          {"n_depth", test.depth},
          {"n_streams", test.streams},
          {"test", BenchTestName(test)}};
}

BenchJsonValue ClassesJson(const BenchResult& result) {
  BenchJsonValue classes;
  const BenchCounts& counts = result.counts;
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    BenchJsonValue& entry = classes[WorkClassKey(static_cast<WorkClass>(c))];
    const BenchSpread seconds =
        SpreadOf(result, [c](const BenchSample& sample) { return sample.class_seconds[c]; });
    entry["median_seconds"] = FiniteOrNull(seconds.median);
    entry["macs"] = CountPair(counts.macs.useful[c], counts.formula_macs.useful[c]);
    entry["bytes"] = CountPair(counts.bytes[c], counts.formula_bytes[c]);
  }
  return classes;
}

BenchJsonValue ResultJson(const BenchRun& run, const BenchGroup& group, const BenchResult& result) {
  BenchJsonValue json = TestJson(run, group, result.test);
  const auto tokens = static_cast<double>(result.test.tokens());
  const BenchSpread rate = TokensPerSecond(result);
  const BenchSpread seconds =
      SpreadOf(result, [](const BenchSample& sample) { return sample.seconds; });
  json["avg_ns"] = FiniteOrNull(seconds.mean * kNanosecondsPerSecond);
  json["stddev_ns"] = FiniteOrNull(seconds.deviation * kNanosecondsPerSecond);
  json["avg_ts"] = FiniteOrNull(rate.mean);
  json["stddev_ts"] = FiniteOrNull(rate.deviation);
  json["median_ts"] = FiniteOrNull(rate.median);
  json["q1_ts"] = FiniteOrNull(rate.first_quartile);
  json["q3_ts"] = FiniteOrNull(rate.third_quartile);
  json["samples_ns"] = SampleList(
      result, [](const BenchSample& s) { return std::llround(s.seconds * kNanosecondsPerSecond); });
  json["samples_ts"] =
      SampleList(result, [tokens](const BenchSample& s) { return tokens / s.seconds; });
  json["attainable"] = ShareJson(AttainableShare(result));
  json["attainable"]["bound"] = BenchBound(result);
  json["attainable_by_class"] = ShareJson(AttainableShareByClass(result));
  json["bytes_per_token"] = BytesPerToken(result);
  json["macs_per_token"] = MacsPerToken(result);
  json["counts_equal_formulas"] = result.counts.agree();
  json["samples_attainable"] =
      SampleList(result, [](const BenchSample& s) { return s.attainable.seconds / s.seconds; });
  json["samples_matmul_flops_per_second"] =
      SampleList(result, [](const BenchSample& s) { return s.limits.matmul_flops_per_second; });
  json["samples_read_bytes_per_second"] =
      SampleList(result, [](const BenchSample& s) { return s.limits.read_bytes_per_second; });
  json["classes"] = ClassesJson(result);
  return json;
}

// A value of a column of CSV: text quoted, null as nothing.
std::string BenchCsvField(const BenchJsonValue& value) {
  if (value.is_null()) return "";
  return value.is_string() ? QuotedCsv(value.get<std::string>()) : value.dump();
}

}  // namespace

std::string BenchJson(const BenchRun& run) {
  BenchJsonValue json;
  json["version"] = PLUMBLINE_VERSION;
  json["cpu_info"] = run.cpu;
  json["block_tokens"] = run.block_tokens;
  json["filled"] = true;
  json["interrupted"] = run.interrupted;
  BenchJsonValue& results = json["results"] = BenchJsonValue::array();
  BenchJsonValue& left_out = json["left_out"] = BenchJsonValue::array();
  for (const BenchGroup& group : run.groups) {
    for (const BenchResult& result : group.results) {
      if (result.samples.empty()) continue;
      results.push_back(ResultJson(run, group, result));
      results.back()["matmul"] = group.matmul;
      results.back()["same_bits"] = group.same_bits_exception.empty();
    }
    for (const BenchLeftOut& left : group.left_out) {
      left_out.push_back(TestJson(run, group, left.test));
      left_out.back()["reason"] = left.reason;
    }
  }
  return absl::StrCat(JsonLine(json), "\n");
}

std::string BenchCsv(const BenchRun& run) {
  std::string csv;
  const auto add_row = [&csv](const BenchJsonValue& row) {
    std::string names, fields;
    for (const auto& [name, value] : row.items()) {
      absl::StrAppend(&names, names.empty() ? "" : ",", name);
      absl::StrAppend(&fields, fields.empty() ? "" : ",", BenchCsvField(value));
    }
    if (csv.empty()) absl::StrAppend(&csv, names, "\n");
    absl::StrAppend(&csv, fields, "\n");
  };
  const auto flat = [&run](const BenchGroup& group, const BenchResult& result,
                           const std::string& left_out) {
    BenchJsonValue row = TestJson(run, group, result.test);
    const bool measured = !result.samples.empty();
    const BenchJsonValue all = ResultJson(run, group, result);
    for (const char* name :
         {"avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "median_ts", "q1_ts", "q3_ts"}) {
      row[name] = all.at(name);
    }
    const BenchSpread share = AttainableShare(result);
    row["attainable"] = FiniteOrNull(share.median);
    row["attainable_q1"] = FiniteOrNull(share.first_quartile);
    row["attainable_q3"] = FiniteOrNull(share.third_quartile);
    row["bound"] = measured ? all.at("attainable").at("bound") : BenchJsonValue();
    row["bytes_per_token"] = measured ? all.at("bytes_per_token") : BenchJsonValue();
    row["macs_per_token"] = measured ? all.at("macs_per_token") : BenchJsonValue();
    row["left_out"] = left_out;
    return row;
  };
  for (const BenchGroup& group : run.groups) {
    for (const BenchResult& result : group.results) add_row(flat(group, result, ""));
    for (const BenchLeftOut& left : group.left_out) {
      add_row(flat(group, {left.test, {}, {}}, left.reason));
    }
  }
  return csv;
}

}  // namespace plumbline
