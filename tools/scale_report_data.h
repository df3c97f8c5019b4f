// What the page of a scaling study shows. Plain values, filled by who measured; nothing here knows
// how they came about. A part that is empty was not measured, and the page says so.
#ifndef PLUMBLINE_TOOLS_SCALE_REPORT_DATA_H_
#define PLUMBLINE_TOOLS_SCALE_REPORT_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/html_page.h"

namespace plumbline {

// A median with the interval that it is known to; an end that is not finite is not shown.
struct ScaleEstimate {
  double median = 0;
  double low = 0;
  double high = 0;
};

struct ScaleCurveSample {
  double tokens = 0;  // prompt length, or context
  ScaleEstimate value;
};

// One term c * tokens^power of a fit.
struct ScaleFitTerm {
  double power = 0;
  ScaleEstimate coefficient;  // in the unit of the series, by tokens^power
};

struct ScaleSeries {
  std::string name;
  std::vector<ScaleCurveSample> samples;  // ascending tokens
  std::vector<ScaleFitTerm> fit;          // their sum is drawn as a curve; empty: none
};

struct ScaleCurves {
  std::vector<ScaleSeries> series;
  std::string of_what;  // opens the caption; may be empty
  std::string note;     // closes the picture's caption; may be empty, like every note here
};

// What each class of work took of each length.
struct ScaleShares {
  std::string of_what;  // "measured prefill time", "predicted MACs"
  std::vector<std::string> classes;
  std::vector<int64_t> tokens;
  std::vector<std::vector<double>> amounts;  // [classes][tokens], in one unit
  std::string note;
};

struct ScaleRooflinePoint {
  std::string name;   // of the class
  std::string group;  // "prefill of 2048"; points of one group look the same
  double macs = 0;    // one MAC is two FLOPs
  double bytes = 0;
  ScaleEstimate seconds;
};

struct ScaleCeiling {
  std::string label;  // the numeric type, and which classes of work run in it
  double flops_per_second = 0;
};

struct ScaleRoofline {
  std::vector<ScaleCeiling> ceilings;  // measured peaks of this machine
  double bytes_per_second = 0;
  std::vector<ScaleRooflinePoint> points;
  std::string note;
};

struct ScalePrediction {
  std::string group;  // "prefill", "decode": points of one group look the same
  std::string label;  // which one; shown where it lies outside of the band
  double predicted_seconds = 0;
  ScaleEstimate measured_seconds;
};

struct ScalePredictions {
  std::vector<ScalePrediction> points;
  std::string note;
};

struct ScaleReportData {
  std::string title;
  std::string lead;                         // model, machine, command, date
  std::vector<std::string> findings;        // one sentence or two each
  ScaleCurves prefill_seconds;              // time against prompt length
  std::vector<ScaleShares> shares;          // one picture each
  std::vector<ScaleCurves> decode_seconds;  // of one token against context: MHA, GQA, MQA
  ScaleRoofline roofline;
  ScalePredictions predictions;
  std::vector<ScaleCurves> memory_bytes;  // stored scores, tiles, cache against length
  std::vector<HtmlTable> tables;
  std::string raw_data;  // as text, behind a fold at the end; empty: none
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_REPORT_DATA_H_
