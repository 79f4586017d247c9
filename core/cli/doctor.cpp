// SPDX-License-Identifier: Apache-2.0
// assay doctor: the build, the machine, where plugins were searched, and what was refused and why.
#include <fmt/core.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/version.hpp"
#include "core/cli/verbs.hpp"
#include "core/kernels/kernels.hpp"

namespace assay::cli {
namespace {

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

double memory_gib() {
  std::ifstream in("/proc/meminfo");
  std::string word;
  double kib = 0;
  in >> word >> kib;
  return kib / (1024.0 * 1024.0);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

int doctor(const Tool& tool) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  const auto isa = kernels::isa_from_environment();
  const std::string in_use = isa ? kernels::isa_name(*isa) : isa.error().message;
  if (tool.json) {
    nlohmann::ordered_json out = {{"build", build_id()},
                                  {"cpu", cpu_model()},
                                  {"cores", usable_cores()},
                                  {"memory_gib", memory_gib()},
                                  {"isa", in_use},
                                  {"best_isa", kernels::isa_name(kernels::best_isa())},
                                  {"folders", registry->folders()},
                                  {"plugins", registry->all().size()},
                                  {"notices", registry->notices()}};
    out["refused"] = nlohmann::ordered_json::array();
    for (const Error& e : registry->refused())
      out["refused"].push_back(
          {{"code", spec::code_of(e)}, {"file", e.file}, {"message", e.message}});
    tool.out(out.dump() + "\n");
    return kOk;
  }
  tool.out(
      fmt::format("assay      {}\ncpu        {}, {} cores usable, {:.1f} GiB\nkernels    {} "
                  "(best of this machine: {})\n",
                  build_id(), cpu_model(), usable_cores(), memory_gib(), in_use,
                  kernels::isa_name(kernels::best_isa())));
  for (const char* name : {"ASSAY_PLUGIN_PATH", "ASSAY_ISA", "NO_COLOR"}) {
    if (const std::string value = variable(name); !value.empty())
      tool.out(fmt::format("variable   {}={}\n", name, value));
  }
  for (const std::string& folder : registry->folders())
    tool.out(fmt::format("searched   {}\n", folder));
  tool.out(fmt::format("plugins    {} loaded, {} modules refused\n", registry->all().size(),
                       registry->refused().size()));
  for (const std::string& notice : registry->notices())
    tool.out(fmt::format("notice     {}\n", notice));
  for (const Error& e : registry->refused()) (void)tool.show(e);
  return isa ? kOk : kUsage;
}

}  // namespace assay::cli
