// The audit of the articles' claims, and their tables cell by cell.
#include "tools/claim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/json_fixture.h"
#include "tools/formula_table.h"

namespace plumbline::claim_test {
namespace {

using nlohmann::json;

// As for the formulas (formula_test.cc): a few dozen roundings, and no cancellation.
constexpr double kRelative = 1e-12;

const Claim* Find(const std::vector<const Claim*>& claims, const std::string& id) {
  const auto found = std::find_if(claims.begin(), claims.end(),
                                  [&id](const Claim* claim) { return claim->id == id; });
  return found == claims.end() ? nullptr : *found;
}

void ExpectSame(const std::vector<double>& values, const std::vector<double>& expected,
                absl::string_view id) {
  ASSERT_EQ(values.size(), expected.size()) << id;
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], kRelative * std::abs(expected[i])) << id;
  }
}

std::vector<double> ValuesOf(const Recomputed& recomputed) {
  std::vector<double> values;
  for (const Bounded& value : recomputed.values) values.push_back(value.value);
  return values;
}

TEST(ClaimTest, RecomputedValuesRatiosAndVerdicts) {
  const json fixture = ReadFixture("claims.json");
  const std::vector<const Claim*> claims = AllClaims();
  ASSERT_EQ(fixture.at("claims").size(), 122U);
  ASSERT_EQ(claims.size(), 122U);
  for (const json& expected : fixture.at("claims")) {
    const std::string id = expected.at("id");
    const Claim* claim = Find(claims, id);
    ASSERT_NE(claim, nullptr) << id;
    const auto recomputed = Recompute(*claim);
    ASSERT_TRUE(recomputed.ok()) << recomputed.status();
    EXPECT_EQ(recomputed->claimed, NumbersOf(expected.at("claimed_value"))) << id;
    ExpectSame(ValuesOf(*recomputed), NumbersOf(expected.at("recomputed_value")), id);
    ExpectSame(recomputed->ratios, NumbersOf(expected.at("ratio")), id);
    EXPECT_EQ(VerdictName(claim->verdict), expected.at("verdict").get<std::string>()) << id;
    const std::string kind = expected.at("kind").is_null() ? "" : expected.at("kind");
    EXPECT_EQ(ClaimKindName(claim->kind), kind == "between_seeds" ? "between articles" : kind)
        << id;
    EXPECT_EQ(absl::StrReplaceAll(SourceName(claim->source()), {{" ", "-"}}),
              expected.at("source").get<std::string>());
  }
}

// A verdict that the limits give is no judgement, and one that they do not give is.
TEST(ClaimTest, JudgementsAreMarked) {
  int judged = 0;
  for (const Claim* claim : AllClaims()) {
    const auto recomputed = Recompute(*claim);
    ASSERT_TRUE(recomputed.ok()) << recomputed.status();
    const std::optional<Verdict> derived = DerivedVerdict(*claim, *recomputed);
    EXPECT_EQ(claim->judged, derived != claim->verdict) << claim->id;
    EXPECT_FALSE(claim->why.empty()) << claim->id;
    judged += claim->judged ? 1 : 0;
  }
  EXPECT_EQ(judged, 20);
}

TEST(ClaimTest, VerdictsFollowTheDigitsWritten) {
  const auto verdict = [](absl::string_view claimed, absl::string_view recompute) {
    Claim claim;
    claim.claimed = claimed;
    claim.recompute = recompute;
    return DerivedVerdict(claim, *Recompute(claim));
  };
  EXPECT_EQ(verdict("1.6e9", "1613758464"), Verdict::kAgrees);
  EXPECT_EQ(verdict("1.60e9", "1613758464"), Verdict::kRounds);  // its digits say 1.61
  EXPECT_EQ(verdict("255", "255.5"), Verdict::kRounds);
  EXPECT_EQ(verdict("5", "5.26"), Verdict::kRounds);
  EXPECT_EQ(verdict("5", "5.6"), Verdict::kContradicts);
  EXPECT_EQ(verdict("4; 16", "4; 20"), Verdict::kContradicts);
  EXPECT_EQ(verdict("0", "3"), Verdict::kContradicts);
  EXPECT_EQ(verdict("", "3"), std::nullopt);
}

TEST(ClaimTest, WhatCannotBeReadIsInvalid) {
  Claim claim;
  claim.id = "C1_TEST";
  for (const auto& [claimed, recompute] : std::vector<std::pair<std::string, std::string>>{
           {"many", "1"}, {"1", "1/0"}, {"1", ""}, {"1", "1; 2"}, {"1", "NO_SUCH(n=1)"}}) {
    claim.claimed = claimed;
    claim.recompute = recompute;
    EXPECT_EQ(Recompute(claim).status().code(), absl::StatusCode::kInvalidArgument) << recompute;
  }
}

TEST(ClaimTest, ExternalClaims) {
  const json fixture = ReadFixture("claims.json");
  const std::vector<const Claim*> claims = ExternalClaims();
  ASSERT_EQ(claims.size(), fixture.at("external_claims").size());
  for (const json& expected : fixture.at("external_claims")) {
    const std::string id = expected.at("id");
    const Claim* claim = Find(claims, id);
    ASSERT_NE(claim, nullptr) << id;
    EXPECT_EQ(claim->verdict, Verdict::kExternal) << id;
    const auto recomputed = Recompute(*claim);
    ASSERT_TRUE(recomputed.ok()) << recomputed.status();
    EXPECT_EQ(recomputed->claimed, NumbersOf(expected.at("claimed_value"))) << id;
    ExpectSame(ValuesOf(*recomputed), NumbersOf(expected.at("implied_value")), id);
  }
}

TEST(ClaimTest, FixtureIsTheSharedFile) {
  const auto shared = ReadShared("seed_formulas.json");
  if (!shared.has_value()) GTEST_SKIP() << "there is no ../shared/seed_formulas.json";
  const json fixture = ReadFixture("claims.json");
  for (size_t i = 0; i < fixture.at("claims").size(); ++i) {
    for (const auto& [key, value] : fixture.at("claims").at(i).items()) {
      EXPECT_EQ(value, shared->at("claims").at(i).value(key, json())) << key;
    }
  }
  EXPECT_EQ(fixture.at("claims").size(), shared->at("claims").size());
  EXPECT_EQ(fixture.at("external_claims").size(), shared->at("external_claims").size());
  const json tables = ReadFixture("formula_tables.json");
  for (const char* list : {"tables", "tables_not_printed"}) {
    ASSERT_EQ(tables.at(list).size(), shared->at(list).size());
    for (size_t i = 0; i < tables.at(list).size(); ++i) {
      EXPECT_EQ(tables.at(list).at(i).at("rows"), shared->at(list).at(i).at("rows")) << i;
    }
  }
}

TEST(FormulaTableTest, EveryPrintedCell) {
  const json fixture = ReadFixture("formula_tables.json");
  const std::vector<FormulaTable> tables = PrintedTables();
  ASSERT_EQ(tables.size(), fixture.at("tables").size());
  size_t cells = 0;
  for (size_t i = 0; i < tables.size(); ++i) {
    const json& expected = fixture.at("tables").at(i);
    EXPECT_EQ(tables[i].id, expected.at("id").get<std::string>());
    std::vector<std::string> headings;
    for (const TableColumn& column : tables[i].columns) headings.emplace_back(column.heading);
    EXPECT_EQ(headings, expected.at("columns").get<std::vector<std::string>>());
    const auto computed = Compute(tables[i]);
    ASSERT_TRUE(computed.ok()) << computed.status();
    EXPECT_EQ(computed->cells, expected.at("rows").get<std::vector<std::vector<std::string>>>());
    EXPECT_EQ(computed->footer, expected.value("footer", ""));
    for (const auto& row : computed->cells) cells += row.size();
  }
  EXPECT_EQ(cells, 149U);
}

TEST(FormulaTableTest, EveryCellOfTheTablesNotPrinted) {
  const json fixture = ReadFixture("formula_tables.json");
  const std::vector<FormulaTable> tables = UnprintedTables();
  ASSERT_EQ(tables.size(), fixture.at("tables_not_printed").size());
  for (size_t i = 0; i < tables.size(); ++i) {
    const json& expected = fixture.at("tables_not_printed").at(i);
    EXPECT_EQ(tables[i].id, expected.at("id").get<std::string>());
    const auto computed = Compute(tables[i]);
    ASSERT_TRUE(computed.ok()) << computed.status();
    ASSERT_EQ(computed->values.size(), expected.at("rows").size());
    for (size_t r = 0; r < computed->values.size(); ++r) {
      const json& row = expected.at("rows").at(r);
      ASSERT_EQ(computed->values[r].size(), row.size());
      for (size_t c = 0; c < row.size(); ++c) {
        if (row.at(c).is_string()) {
          EXPECT_EQ(computed->cells[r][c], row.at(c).get<std::string>());
        } else {
          const double cell = row.at(c);
          EXPECT_NEAR(computed->values[r][c].value, cell, kRelative * cell) << tables[i].id;
        }
      }
    }
  }
}

TEST(FormulaTableTest, NumbersRoundAsPrintfDoes) {
  EXPECT_EQ(FormatNumber(0.125, {.decimals = 2, .suffix = "x"}), "0.12x");
  EXPECT_EQ(FormatNumber(999.5, {.thousands = true}), "1,000");
  EXPECT_EQ(FormatNumber(1234567.25, {.decimals = 1, .thousands = true}), "1,234,567.2");
  EXPECT_EQ(FormatNumber(0.5, {.decimals = NumberFormat::kShortest}), "0.5");
}

TEST(FormulaTableTest, AreFoundByIdAndNumber) {
  EXPECT_EQ(FindTable("t8")->id, "T8_VARIANTS");
  EXPECT_EQ(FindTable("T8_Variants")->id, "T8_VARIANTS");
  EXPECT_EQ(FindTable("x3")->id, "X3_CROSSOVERS");
  for (const char* id : {"", "T", "T9", "T1_", "T1_ATTN_FLOPS "}) {
    EXPECT_EQ(FindTable(id).status().code(), absl::StatusCode::kNotFound) << id;
  }
  EXPECT_THAT(std::string(FindTable("T9").status().message()), testing::HasSubstr("X5_KV_CACHE"));
}

}  // namespace
}  // namespace plumbline::claim_test
