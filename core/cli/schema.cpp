// SPDX-License-Identifier: Apache-2.0
// assay schema: the JSON Schema of a spec, for editors; it covers every plugin found.
#include "core/spec/schema.hpp"

#include "core/cli/verbs.hpp"

namespace assay::cli {

int schema(const Tool& tool) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  tool.out(spec::schema(*registry) + "\n");
  return kOk;
}

}  // namespace assay::cli
