// SPDX-License-Identifier: Apache-2.0
// Live losses and penalties: what they tell about themselves, and that nothing they throw gets past
// the host.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "core/plugin/guard.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

namespace {

std::shared_ptr<Registry> registry() {
  SearchOptions o;
  const char* modules = std::getenv("ASSAY_TEST_MODULES");
  REQUIRE(modules != nullptr);
  for (const char* name : {"throws", "throws_raw", "span_error"})
    o.explicit_files.push_back(std::string(modules) + "/loss-" + name + ".so");
  auto r = Registry::open(o);
  REQUIRE(r);
  REQUIRE((*r)->refused().empty());
  return *r;
}

Options late() {
  Options o;
  o.values["late"].type = ASSAY_OPT_BOOL;
  o.values["late"].number = 1;
  o.values["late"].given = true;
  return o;
}

Options weight(double w) {
  Options o;
  o.values["weight"].number = w;
  o.values["weight"].given = true;
  return o;
}

}  // namespace

TEST_CASE("facts of the built-in losses, unknown ones filled in") {
  const auto r = registry();
  const auto kl = Loss::create(*r->find("loss", "kl"), {});
  REQUIRE(kl);
  CHECK((*kl)->facts().tag == ASSAY_TAG_KL);
  CHECK((*kl)->facts().den_is == 1);
  CHECK((*kl)->has_mu_split());
  const auto f = (*kl)->functions<double>();
  CHECK(f.m_lo > 0);
  CHECK(f.m_lo < 1e-20);
  CHECK(std::isfinite(static_cast<float>(1 / (*kl)->functions<float>().m_lo)));
  const auto squared = Loss::create(*r->find("loss", "squared"), {});
  REQUIRE(squared);
  CHECK(std::isnan((*squared)->facts().den_is));
  CHECK((*squared)->functions<double>().m_lo < -1e300);
}

TEST_CASE("an exception out of create becomes an error that says what was thrown") {
  const auto r = registry();
  auto made = Loss::create(*r->find("loss", "throws"), {});
  REQUIRE(!made);
  CHECK(made.error().message == "thrown from the constructor");
  CHECK(made.error().status == ASSAY_E_ARGUMENT);
  REQUIRE(made.error().help.size() == 1);
  made = Loss::create(*r->find("loss", "throws_raw"), {});
  REQUIRE(!made);
  CHECK(made.error().status == ASSAY_E_PLUGIN);
  CHECK(made.error().message.find("thrown from create") != std::string::npos);
}

TEST_CASE("an exception or an error out of a span becomes a status") {
  const auto r = registry();
  const double x[] = {1}, m[] = {2};
  double out[1], other[1];
  assay_ctx ctx;
  const auto safe = Loss::create(*r->find("loss", "throws"), late());
  REQUIRE(safe);
  auto f = (*safe)->functions<double>();
  CHECK(f.value(f.self, &ctx, 1, x, m, out) == ASSAY_E_MEMORY);
  ctx.take_error(0, "");
  CHECK(f.grad(f.self, &ctx, 1, x, m, out) == ASSAY_OK);
  CHECK(out[0] == 1);

  const auto raw = Loss::create(*r->find("loss", "throws_raw"), late());
  REQUIRE(raw);
  f = (*raw)->functions<double>();
  CHECK(f.value(f.self, &ctx, 1, x, m, out) == ASSAY_E_PLUGIN);
  CHECK(ctx.take_error(ASSAY_E_PLUGIN, "").message == "`throws_raw` let an exception out");
  CHECK(f.mu_split(f.self, &ctx, 1, x, m, out, other) == ASSAY_E_PLUGIN);
  CHECK(ctx.take_error(ASSAY_E_PLUGIN, "").message.find("thrown from a span") != std::string::npos);

  const auto failing = Loss::create(*r->find("loss", "span_error"), {});
  REQUIRE(failing);
  f = (*failing)->functions<double>();
  CHECK(f.mu_split(f.self, &ctx, 1, x, m, out, other) == ASSAY_E_NUMERIC);
  const Error said = ctx.take_error(ASSAY_E_NUMERIC, "");
  CHECK(said.message == "this loss fails on purpose");
  CHECK(said.note == std::vector<std::string>{"said by `span_error`"});
  CHECK(!ctx.failed);
}

TEST_CASE("an error without a message names the plugin") {
  assay_ctx ctx;
  CHECK(ctx.take_error(ASSAY_E_NUMERIC, "kl").message == "`kl` returned -400");
  for (const int32_t status : {int32_t{-7}, int32_t{ASSAY_E_DATA}}) {
    attribute(&ctx, "acme.err", status);
    const Error error = ctx.take_error(status, "mu");
    CHECK(error.message == "`acme.err` returned " + std::to_string(status));
    CHECK(error.code == "E0400");
  }
  CHECK(ctx.take_error(ASSAY_E_MEMORY, "kl").code.empty());
}

TEST_CASE("penalties of one factor compose, other pairs are refused") {
  const auto r = registry();
  const Descriptor *l1 = r->find("penalty", "l1"), *l2 = r->find("penalty", "l2"),
                   *nonneg = r->find("penalty", "nonneg");
  const auto two = PenaltySet::create({{l1, weight(1)}, {nonneg, {}}, {nonneg, {}}});
  REQUIRE(!two);
  CHECK(two.error().code == "E0208");
  CHECK(two.error().message == "`nonneg` and `nonneg` cannot act on one factor together");

  const auto set = PenaltySet::create({{nonneg, {}}, {l1, weight(0.5)}, {l2, weight(2)}});
  REQUIRE(set);
  CHECK((*set)->nonneg());
  CHECK((*set)->items()[0].id == "l2");
  CHECK((*set)->items()[2].id == "nonneg");

  double F[] = {3, 1, -2, 0.25};
  assay_view view = {F, 2, 2, 2, 0, ASSAY_F64, 0};
  assay_ctx ctx;
  double value = 0;
  REQUIRE((*set)->value(&ctx, &view, &value) == ASSAY_OK);
  CHECK(std::isinf(value));
  // argmin of 1/2 (f - F)^2 + 0.5 |f| + f^2 over f >= 0 is max(F - 0.5, 0) / 3.
  REQUIRE((*set)->prox(&ctx, &view, 1) == ASSAY_OK);
  CHECK(F[0] == doctest::Approx(2.5 / 3));
  CHECK(F[1] == doctest::Approx(0.5 / 3));
  CHECK(F[2] == 0);
  CHECK(F[3] == 0);
  REQUIRE((*set)->value(&ctx, &view, &value) == ASSAY_OK);
  CHECK(value == doctest::Approx(0.5 * (3.0 / 3) + (6.25 + 0.25) / 9));
  double diag[2], lin[2], lower[2], upper[2];
  REQUIRE((*set)->quad(&ctx, &view, diag, lin, lower, upper) == ASSAY_OK);
  CHECK(diag[1] == 2);
  CHECK(lin[1] == 0.5);
  CHECK(lower[1] == 0);
  CHECK(std::isinf(upper[1]));
}

TEST_CASE("l1 on a signed factor has no quadratic form") {
  const auto r = registry();
  const auto set = PenaltySet::create({{r->find("penalty", "l1"), weight(1)}});
  REQUIRE(set);
  double F[] = {1}, diag[1], lin[1], lower[1], upper[1];
  const assay_view view = {F, 1, 1, 1, 0, ASSAY_F64, 0};
  assay_ctx ctx;
  CHECK((*set)->quad(&ctx, &view, diag, lin, lower, upper) == ASSAY_E_COMBINATION);
  CHECK(ctx.take_error(0, "").message.find("signed factor") != std::string::npos);
}

TEST_CASE("the penalty service works on the penalties of its context") {
  const auto r = registry();
  const auto* calls = static_cast<const assay_penalty_calls*>(host()->service("assay.penalty/1"));
  const auto set = PenaltySet::create({{r->find("penalty", "l2"), weight(2)}});
  REQUIRE(set);
  assay_ctx ctx;
  ctx.penalties[1] = set->get();
  double F[] = {3}, value = -1;
  const assay_view view = {F, 1, 1, 1, 0, ASSAY_F64, 0};
  REQUIRE(calls->value(&ctx, 0, &view, &value) == ASSAY_OK);
  CHECK(value == 0);
  REQUIRE(calls->value(&ctx, 1, &view, &value) == ASSAY_OK);
  CHECK(value == 9);
  CHECK(calls->value(&ctx, 3, &view, &value) == ASSAY_E_ARGUMENT);
}

TEST_CASE("scratch is aligned, distinct within a call and reused after reset") {
  assay_ctx ctx;
  void* a = host()->scratch(&ctx, 100);
  void* b = host()->scratch(&ctx, 1 << 20);
  CHECK(a != b);
  CHECK(reinterpret_cast<uintptr_t>(a) % 64 == 0);
  CHECK(reinterpret_cast<uintptr_t>(b) % 64 == 0);
  ctx.scratch.reset();
  CHECK(host()->scratch(&ctx, 100) == a);
  CHECK(host()->scratch(&ctx, 1 << 20) == b);
  CHECK(host()->scratch(&ctx, -1) == nullptr);
}

}  // namespace assay::plugin
