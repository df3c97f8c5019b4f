// The options of `plumbline load`.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "scheduler/request.h"
#include "tools/cli_commands.h"
#include "tools/cli_options.h"
#include "tools/load_workload.h"

namespace plumbline {
namespace {

constexpr int64_t kMostLoadMib = std::numeric_limits<int64_t>::max() >> 20;
constexpr double kMostSeconds = 1e7;
constexpr int64_t kMostReplicas = 1024;
constexpr int64_t kMostGroups = 1000000;
constexpr int64_t kMostQueuedTokens = int64_t{1} << 40;

// A real number that is not there unless given.
CLI::Option* AddOptionalReal(CLI::App* app, const std::string& name, std::optional<double>& value,
                             double low, double high, const std::string& help) {
  return app->add_option(name, value, help)->type_name("X")->check(IsReal(low, high));
}

void AddWorkload(CLI::App* app, LoadOptions& options) {
  AddText(app, "--arrivals", options.arrivals, "KIND",
          "all, constant:RATE, poisson:RATE, gamma:RATE,BURSTINESS, ramp:FROM,TO, closed:USERS, "
          "trace:FILE")
      ->capture_default_str();
  AddText(app, "--prompt-tokens", options.prompt, "LENGTHS",
          "N, uniform:A,B, normal:MEAN,SD, lognormal:MEAN,SD, file:PATH")
      ->capture_default_str();
  AddText(app, "--output-tokens", options.output, "LENGTHS", "the same, honoured exactly")
      ->capture_default_str();
  AddWhole(app, "--requests", options.requests, int64_t{1}, kMostRequests,
           "to send (default: 100; all of a trace; what fits --duration)");
  AddReal(app, "--duration", options.seconds, 1e-3, kMostSeconds, "seconds to send for")
      ->default_str("no limit");
  AddReal(app, "--time-scale", options.time_scale, 1e-6, 1e6, "of a trace; 2: at half its speed");
  AddText(app, "--turns", options.turns, "LENGTHS",
          "of a conversation; each prompt holds all that was said before")
      ->capture_default_str();
  AddReal(app, "--think", options.think_seconds, 0, kMostSeconds,
          "seconds between an answer and the user's next prompt");
  app->add_flag("--think-varies", options.think_varies, "exponentially, with that mean");
  AddWhole(app, "--prefix-groups", options.prefix_groups, int64_t{0}, kMostGroups,
           "requests of a group begin with the same tokens (0: none do)")
      ->capture_default_str();
  AddWhole(app, "--prefix-tokens", options.prefix_tokens, int64_t{1}, kMostLength,
           "so many; they come before the prompt's own")
      ->capture_default_str();
  AddSeed(app, options.seed, "of times, lengths and tokens");
  CLI::Option* salt =
      app->add_option("--salt", options.salt,
                      "of tokens alone (default: drawn anew, so that no cache flatters)")
          ->type_name("N")
          ->check(IsSeed());
  app->add_flag_callback(
         "--no-salt", [&options] { options.salt = 0; }, "the same tokens in every run")
      ->excludes(salt);
}

void AddLoadEngine(CLI::App* app, LoadOptions& options) {
  AddThreads(app, options.threads);
  AddNumericTypes(app, options.weights, options.kv_dtype);
  AddWhole(app, "--block-tokens", options.block_tokens, 1, kMaxTokens, "tokens of a cache block")
      ->capture_default_str();
  AddWhole(app, "--chunk-tokens", options.chunk_tokens, 1, kMaxTokens, "most tokens of a step")
      ->capture_default_str();
  AddWhole(app, "--max-running", options.max_running, 1, kMaxTokens, "most requests at once")
      ->capture_default_str();
  CLI::Option* mib = AddWhole(app, "--cache-mib", options.cache_mib, int64_t{1}, kMostLoadMib,
                              "cache size (default: as needed, up to half of the free memory)");
  AddWhole(app, "--cache-blocks", options.cache_blocks, int64_t{1}, int64_t{kMaxInt},
           "cache size in blocks, instead")
      ->excludes(mib);
}

void AddPolicies(CLI::App* app, LoadOptions& options) {
  AddChoice(app, "--order", options.order, {"first-come", "shortest-prompt", "priority"},
            "who starts next");
  AddWhole(app, "--priority-levels", options.priority_levels, int64_t{1}, int64_t{kMaxPriority},
           "requests take turns from level 0 up; higher ones start sooner");
  AddReal(app, "--ageing", options.ageing, 1e-6, kMostSeconds,
          "seconds of waiting that make up for a level");
  AddWhole(app, "--max-queued", options.most_queued, int64_t{1}, kMostRequests,
           "requests that may wait; more are refused, and told when to come back");
  AddWhole(app, "--max-queued-tokens", options.most_queued_tokens, int64_t{1}, kMostQueuedTokens,
           "of their prompts");
  AddReal(app, "--deadline", options.deadline_seconds, 1e-6, kMostSeconds,
          "seconds from its intended send at which a request ends unfinished");
  AddReal(app, "--itl-target", options.itl_target_seconds, 1e-6, kMostSeconds,
          "cut prompt chunks so that steps with streams are predicted to take no longer");
  AddSharingAndPreemption(app, options.preempt, options.prefix_sharing);
}

void AddMeasuring(CLI::App* app, LoadOptions& options) {
  AddText(app, "--slo", options.slo, "GOALS",
          "ttft=S,tpot=S,itl=S,e2e=S; itl: a request's p99 gap");
  app->add_flag("--find-max-rate", options.find_max_rate,
                "search the highest rate that keeps --slo, from that of --arrivals");
  AddReal(app, "--slo-share", options.target_share, 1e-3, 1,
          "with it: of requests that must keep them");
  AddWhole(app, "--repetitions", options.repetitions, 1, 1000, "runs of it, with other seeds")
      ->capture_default_str();
  AddOptionalReal(app, "--warm-up", options.warm_up_seconds, 0, kMostSeconds,
                  "seconds left out of figures (default: until as many run as later)");
  AddText(app, "--machine", options.machine, "FILE",
          "profile to predict times from (default: what calibrate left)");
  app->add_flag("!--no-predict", options.predict, "predict no times, and measure no anchors");
}

void AddSimulation(CLI::App* app, LoadOptions& options) {
  CLI::Option* simulate = app->add_flag(
      "--simulate", options.simulate,
      "the same scheduler in virtual time: steps take what --machine's profile predicts");
  CLI::Option* replicas = AddWhole(app, "--replicas", options.replicas, int64_t{1}, kMostReplicas,
                                   "engines behind a router");
  replicas->needs(simulate)->capture_default_str();
  AddChoice(app, "--route", options.route, {"round-robin", "least-loaded"}, "to the replicas")
      ->needs(simulate);
  CLI::Option* step_times = AddText(app, "--step-times", options.replay, "FILE",
                                    "repeat a run: its requests, and the times its steps took");
  step_times->needs(simulate)->excludes(replicas);
  AddText(app, "--anchors", options.anchors_of, "FILE",
          "a run of this machine: the profile's rates become what it was able to do then, steps "
          "take as many times their prediction as that run's repeated steps did, and those of "
          "its repetitions that count are simulated and held against it")
      ->needs(simulate)
      ->excludes(step_times);
}

void AddLoadOutput(CLI::App* app, LoadOptions& options) {
  LoadFileOptions& files = options.files;
  AddText(app, "-o,--output", files.folder, "PATH",
          "FILE.json: every raw timestamp and all figures; any other name: a folder for that and "
          "for all of these files");
  AddText(app, "--csv", files.csv, "PREFIX", "PREFIX-requests.csv and PREFIX-steps.csv");
  AddText(app, "--trace", files.trace, "FILE",
          "timeline of steps and requests, for ui.perfetto.dev and chrome://tracing");
  AddText(app, "--html", files.page, "FILE", "one page with pictures (needs gnuplot)");
  AddText(app, "--from", options.from, "FILE",
          "report the run that -o wrote again, and run nothing; --slo: other goals");
  app->add_flag("--json", options.json, "print that JSON and nothing else");
}

// With --from nothing runs: what is said of a run would be passed over.
std::string FromUsageError(const CLI::App& app) {
  constexpr std::array<absl::string_view, 7> kAllowed = {"--from",  "--slo",  "--output", "--csv",
                                                         "--trace", "--html", "--json"};
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    const bool allowed = std::find_if(kAllowed.begin(), kAllowed.end(), [&](absl::string_view one) {
                           return option->check_lname(std::string(one.substr(2)));
                         }) != kAllowed.end();
    if (option->count() > 0 && !allowed) {
      return "--from runs nothing, so that " + name + " would say nothing: leave it out";
    }
  }
  return "";
}

}  // namespace

void AddLoad(CLI::App& app, Commands& commands, const Streams& streams) {
  LoadOptions& options = commands.load;
  CLI::App* sub = app.add_subcommand(
      "load",
      "Puts many synthetic requests on the engine, and shows where the time goes.\n"
      "Requests of random tokens are sent when --arrivals says, whether or not the engine\n"
      "keeps up; latencies count from the intended send. Time to first token is split into\n"
      "queue, prefill, stalls and preemptions; every figure has an interval. --simulate\n"
      "runs the same scheduler in virtual time, for hours of traffic or other machines.\n");
  AddModel(sub, "-m,--model", options.model);
  AddWorkload(sub, options);
  AddLoadEngine(sub, options);
  AddPolicies(sub, options);
  AddMeasuring(sub, options);
  AddSimulation(sub, options);
  AddLoadOutput(sub, options);
  sub->footer(
      "Examples:\n"
      "  plumbline load                                      eight users, the toy model\n"
      "  plumbline load --arrivals poisson:20 --requests 500 --slo ttft=100ms,itl=20ms\n"
      "  plumbline load --arrivals poisson:5 --slo ttft=0.1,itl=0.02 --find-max-rate\n"
      "  plumbline load --arrivals closed:4 --turns 5 --think 0.5 --output-tokens 16\n"
      "  plumbline load --arrivals trace:trace.jsonl --time-scale 0.1 -o run.json\n"
      "  plumbline load --itl-target 0.03 --prompt-tokens normal:800,99\n"
      "  plumbline load --simulate --step-times run.json\n"
      "  plumbline load --simulate --anchors run.json --arrivals poisson:20\n"
      "  plumbline load --arrivals poisson:20 --requests 500 -o run\n"
      "  plumbline load --from run/run.json --slo ttft=50ms --html page.html\n"
      "  plumbline load --simulate -m synthetic:llama-7b --machine big.json \\\n"
      "    --replicas 4 --route least-loaded --arrivals poisson:2 --duration 3600\n"
      "Ctrl-C stops sending, gives what is in flight five seconds, and reports.");
  sub->callback([&commands, &options, &streams, sub] {
    if (options.find_max_rate && options.slo.empty()) {
      commands.usage_error = "--find-max-rate needs goals to keep: give --slo ttft=0.5,itl=0.05";
    }
    if (options.itl_target_seconds > 0 && !options.predict) {
      commands.usage_error = "--itl-target predicts steps: leave --no-predict out";
    }
    if (options.simulate && options.preempt.mode != "recompute") {
      commands.usage_error = "--simulate knows no time of swapping: leave --preempt out";
    }
    if (commands.usage_error.empty()) {
      commands.usage_error = PreemptionUsageError(options.preempt);
    }
    LoadFileOptions& files = options.files;
    if (absl::EndsWith(files.folder, ".json")) files.json = std::exchange(files.folder, "");
    if (!options.from.empty()) commands.usage_error = FromUsageError(*sub);
    commands.run = [&options, &streams] { return RunLoad(options, streams.out); };
  });
}

}  // namespace plumbline
