#include "tests/support/scale_demo.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

constexpr std::array<int64_t, 7> kLengths = {128, 256, 512, 1024, 2048, 4096, 8192};
constexpr double kLinear = 2.4e-4;     // seconds a token
constexpr double kQuadratic = 7.5e-8;  // seconds a token squared

// Off by a few percent, the same way each time.
double Wobble(double value, double seed) { return value * (1 + 0.04 * std::sin(7 * seed)); }

ScaleEstimate Around(double value, double share) {
  return {value, value * (1 - share), value * (1 + share)};
}

ScaleSeries Series(const std::string& name, double constant, double linear, double quadratic) {
  ScaleSeries series;
  series.name = name;
  for (const int64_t length : kLengths) {
    const auto n = static_cast<double>(length);
    const double value = constant + linear * n + quadratic * n * n;
    series.samples.push_back({n, Around(Wobble(value, n), 0.06)});
  }
  for (const double power : {0, 1, 2}) {
    const double coefficient = power == 0 ? constant : power == 1 ? linear : quadratic;
    if (coefficient != 0) series.fit.push_back({power, Around(coefficient, 0.03)});
  }
  return series;
}

ScaleShares Shares() {
  ScaleShares shares;
  shares.of_what = "measured prefill time";
  shares.classes = {"projections", "feed-forward", "scores", "weighted values", "head", "other"};
  shares.amounts.resize(shares.classes.size());
  for (const int64_t length : kLengths) {
    const auto n = static_cast<double>(length);
    shares.tokens.push_back(length);
    const double linear = kLinear * n;
    const double quadratic = kQuadratic * n * n;
    const std::array<double, 6> amounts = {0.28 * linear,    0.56 * linear, 0.55 * quadratic,
                                           0.45 * quadratic, 0.01,          0.06 * linear};
    for (size_t c = 0; c < amounts.size(); ++c) shares.amounts[c].push_back(amounts[c]);
  }
  return shares;
}

ScaleRoofline Roofline() {
  ScaleRoofline roofline;
  roofline.ceilings = {{"bf16 matrices", 441e9}, {"f32 attention", 221e9}};
  roofline.bytes_per_second = 29e9;
  const auto add = [&roofline](const char* name, const char* group, double macs, double bytes,
                               double share) {
    const double ceiling = std::min(441e9, 29e9 * 2 * macs / bytes);
    roofline.points.push_back(
        {name, group, macs, bytes, Around(2 * macs / (ceiling * share), 0.05)});
  };
  add("projections", "prefill of 2048", 5.8e10, 1.2e8, 0.91);
  add("feed-forward", "prefill of 2048", 1.16e11, 2.4e8, 0.94);
  add("scores", "prefill of 2048", 1.9e10, 9e7, 0.66);
  add("weighted values", "prefill of 2048", 1.9e10, 9e7, 0.71);
  add("head", "prefill of 2048", 2.5e7, 4.9e7, 0.96);
  add("projections", "decode at 2048", 2.8e7, 5.7e7, 0.93);
  add("feed-forward", "decode at 2048", 5.7e7, 1.13e8, 0.97);
  add("scores", "decode at 2048", 1.9e7, 3.8e7, 0.55);
  add("weighted values", "decode at 2048", 1.9e7, 3.8e7, 0.61);
  add("head", "decode at 2048", 2.5e7, 4.9e7, 0.96);
  return roofline;
}

ScalePredictions Predictions() {
  ScalePredictions predictions;
  for (const int64_t length : kLengths) {
    const auto n = static_cast<double>(length);
    const double prefill = kLinear * n + kQuadratic * n * n;
    const double decode = 4.8e-3 + 6e-7 * n;
    predictions.points.push_back({"prefill", absl::StrCat("prefill ", length), prefill,
                                  Around(Wobble(prefill * (n < 200 ? 1.18 : 1), n), 0.03)});
    predictions.points.push_back({"decode", absl::StrCat("decode ", length), decode,
                                  Around(Wobble(decode * (n > 8000 ? 1.13 : 1), 3 * n), 0.03)});
  }
  return predictions;
}

}  // namespace

ScaleReportData ScaleDemo() {
  ScaleReportData data;
  data.title = "Prefill against decode: synthetic:llama-160m";
  data.lead = "2 threads, bf16 weights, bf16 cache. Medians of 9 runs, interleaved.";
  data.findings = {
      "A prefill of n tokens takes a time with a linear and a quadratic part; they are equal near "
      "3,200 tokens.",
      "A decode step grows linearly with context; its slope follows the bytes of the cache: MHA to "
      "MQA 12.0 to 1.",
      "12 of 14 times lie within 10% of what the cost model predicts."};
  data.prefill_seconds.series = {Series("measured, fit", 0, kLinear, kQuadratic)};
  data.shares = {Shares()};
  data.decode_seconds = {
      {{Series("MHA, 12 KV heads", 4.8e-3, 1.3e-6, 0), Series("GQA, 4 KV heads", 4.6e-3, 4.4e-7, 0),
        Series("MQA, 1 KV head", 4.5e-3, 1.2e-7, 0)},
       "gpt2-small.",
       ""}};
  data.roofline = Roofline();
  data.predictions = Predictions();
  data.memory_bytes = {{{Series("stored scores", 0, 0, 12 * 4.0), Series("cache", 0, 36864, 0),
                         Series("tiles", 393216, 0, 0)},
                        "gpt2-small.",
                        ""}};
  for (ScaleSeries& series : data.memory_bytes[0].series) series.fit.clear();
  data.tables = {{"Prefill, median of 9",
                  {"length", "seconds", "low", "high", "predicted", "measured / predicted"},
                  {{"128", "0.0330", "0.0311", "0.0349", "0.0319", "1.03"},
                   {"8192", "7.010", "6.832", "7.199", "6.999", "1.00"}}}};
  data.raw_data = "{\n  \"lengths\": [128, 256, 512, 1024, 2048, 4096, 8192]\n}\n";
  return data;
}

}  // namespace plumbline
