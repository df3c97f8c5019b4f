// `plumbline formulas`: the catalogue of formulas, its values, the articles' tables and the audit
// of their claims.
#ifndef PLUMBLINE_TOOLS_FORMULAS_H_
#define PLUMBLINE_TOOLS_FORMULAS_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace plumbline {

struct FormulasOptions {
  std::vector<std::string> words;  // a formula's id, then key=value; empty: list all
  std::string table;               // an id: print that table instead
  bool audit = false;              // print the claims instead
  bool external = false;           // with audit: also those that no formula decides
  bool json = false;
};

// Writes what the options ask for to `out`. NotFound for an unknown id, InvalidArgument for values
// that a formula cannot take, DataLoss where `out` can't be written.
absl::Status RunFormulas(const FormulasOptions& options, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_FORMULAS_H_
