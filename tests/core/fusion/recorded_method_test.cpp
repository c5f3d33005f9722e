// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/recorded_method.h"

#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "core/fusion/fuser.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/device/forwarding_backend.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// A CPU's backend whose graphs leave the host as a GPU's do: what a method remembers of a replayed frame is
/// not that frame's.
class GraphBackend : public ForwardingBackend {
 public:
  explicit GraphBackend(std::function<void()> forget_host, bool can_capture = true)
      : forget_host_(std::move(forget_host)), can_capture_(can_capture) {}

  std::unique_ptr<Graph> capture(const std::function<void()>& frame) override {
    ++captures;
    if (!can_capture_) return nullptr;
    frame();  // the host's part of it
    return std::make_unique<HostlessGraph>(frame, forget_host_);
  }

  int captures = 0;

 private:
  class HostlessGraph : public Graph {
   public:
    HostlessGraph(std::function<void()> frame, std::function<void()> forget_host)
        : frame_(std::move(frame)), forget_host_(std::move(forget_host)) {}
    void replay() override {
      frame_();
      forget_host_();
    }

   private:
    std::function<void()> frame_, forget_host_;
  };

  std::function<void()> forget_host_;
  bool can_capture_;
};

class Recorded : public testing::Test {
 protected:
  Recorded() {
    write_model_file(folder.path / "denoiser", tiny_denoiser());
    write_model_file(folder.path / "student", tiny_student());
    write_model_file(folder.path / "gradient-student", tiny_gradient_student());
  }
  Parameters parameters_of(Method method) const {
    Parameters p;
    p.method = method;
    p.device = Word("cpu");
    p.precision = Precision::float32;
    p.steps = 5;
    p.interval = 2;
    p.draws = 3;
    p.model = Path((folder.path / "denoiser").string());
    p.student = Path((folder.path / (method == Method::gradient ? "gradient-student" : "student")).string());
    return p;
  }
  /// What a recording may be asked for: settings that take other operators.
  std::vector<Parameters> settings() const {
    std::vector<Parameters> all;
    for (const Method method : {Method::guided, Method::bandwise, Method::amortised})
      all.push_back(parameters_of(method));
    const auto with = [&](Method method, const auto& change) {
      Parameters p = parameters_of(method);
      change(p);
      all.push_back(p);
    };
    with(Method::guided, [](Parameters& p) { p.sampler = Sampler::ddim, p.eta = 0.5; });
    with(Method::guided, [](Parameters& p) { p.sampler = Sampler::ddim, p.extent = Extent::global; });
    with(Method::guided,
         [](Parameters& p) { p.guidance = Guidance::posterior, p.distance = Distance::ssim; });
    with(Method::guided, [](Parameters& p) { p.feature_reuse = 2, p.distance = Distance::none; });
    with(Method::bandwise, [](Parameters& p) { p.band_weights = BandWeights::joint; });
    with(Method::bandwise, [](Parameters& p) { p.distance = Distance::l1, p.base = Base::mixed; });
    with(Method::amortised, [](Parameters& p) { p.band_weights = BandWeights::joint, p.smoothing = 3; });
    with(Method::amortised, [](Parameters& p) { p.distance = Distance::none; });
    return all;
  }
  const TemporaryFolder folder;
};

at::Tensor pictures(int number, std::int64_t height = 32, std::int64_t width = 40) {
  return random_pictures(2, height, width, 10 + std::uint64_t(number));
}

std::string told(const Parameters& p) {
  std::string text;
  for (const ParameterSpec& spec : parameter_table())
    if (spec.get(p) != spec.default_value())
      text += std::string(spec.name) + "=" + to_text(spec, spec.get(p)) + " ";
  return text;
}

/// A method, its noise and what records it.
struct Stream {
  explicit Stream(const Parameters& p, bool can_capture = true, std::size_t noise_bytes = 1 << 20)
      : parameters(p),
        method(make_method(p, at::kCPU, at::kFloat)),
        noise(at::kCPU, noise_bytes),
        backend(new GraphBackend(
            [this] {
              method->recall({at::full({1, 1, 1, 1}, 7.0)}, 77);
            },
            can_capture)),
        recorded(std::unique_ptr<Backend>(backend)) {}
  at::Tensor fuse(const at::Tensor& sources) {
    at::Tensor result;
    recorded.run([&] { result = recorded.fuse(*method, sources, parameters, noise).clone(); });
    return result;
  }

  Parameters parameters;
  std::unique_ptr<FusionMethod> method;
  NoiseFields noise;
  GraphBackend* backend;
  RecordedMethod recorded;
};

/// That a frame is what the method makes of it by itself, bit by bit, and what it says of it afterwards.
void expect_as_alone(Stream& stream, const at::Tensor& sources) {
  const at::Tensor found = stream.fuse(sources);
  const auto method = make_method(stream.parameters, at::kCPU, at::kFloat);
  const at::Tensor expected =
      method->fuse(sources, stream.parameters, seeded_noise(stream.parameters.seed, at::kCPU));
  const std::string what = told(stream.parameters);
  EXPECT_TRUE(at::equal(found, expected)) << what;
  EXPECT_EQ(stream.method->evaluations(), method->evaluations()) << what;
  const auto weights = stream.method->visible_weights(), expected_weights = method->visible_weights();
  ASSERT_EQ(weights.size(), expected_weights.size()) << what;
  for (std::size_t i = 0; i < weights.size(); ++i)
    EXPECT_TRUE(at::equal(weights[i], expected_weights[i])) << what << i;
}

TEST_F(Recorded, FramesAreWhatTheyWereWithout) {
  for (const Parameters& p : settings()) {
    Stream stream(p);
    ASSERT_TRUE(stream.method->recordable(p)) << told(p);
    for (int n = 0; n < 5; ++n) expect_as_alone(stream, pictures(n));
    EXPECT_EQ(stream.recorded.counts().recorded, 1u) << told(p);
    EXPECT_EQ(stream.recorded.counts().replayed, 3u) << told(p);
    EXPECT_EQ(stream.recorded.counts().frames, 5u);
  }
}

TEST_F(Recorded, FollowsEveryParameter) {
  for (const Method method : {Method::guided, Method::bandwise, Method::amortised}) {
    const Parameters before = parameters_of(method);
    Stream stream(before);
    for (int n = 0; n < 3; ++n) expect_as_alone(stream, pictures(n));
    std::uint64_t replayed = 1;
    for (const ParameterSpec& spec : parameter_table()) {
      if (spec.mutability != Mutability::playing || spec.name == std::string("preset") ||
          spec.name == std::string("method"))
        continue;
      const Value value = spec.get(before);
      std::vector<Value> others;
      if (spec.is_choice())
        for (const Choice& choice : spec.choices) others.emplace_back(std::int64_t(choice.value));
      else if (spec.is_integer())
        others.emplace_back(std::get<std::int64_t>(value) + 1);
      else if (spec.is_real())
        others.emplace_back(std::get<double>(value) * 0.75 + 0.125);
      else if (spec.name == std::string("levels"))
        others.emplace_back(std::string("400,100"));
      for (const Value& other : others) {
        Parameters changed = before;
        if (other == value || set(changed, spec, other)) continue;
        try {
          stream.method->check(changed);
        } catch (const Error&) {
          continue;
        }
        if (!stream.method->recordable(changed)) continue;
        // Directly or, where it makes no difference to the method, as the graph; and back.
        stream.parameters = changed;
        expect_as_alone(stream, pictures(1));
        stream.parameters = before;
        const std::uint64_t so_far = stream.recorded.counts().replayed;
        expect_as_alone(stream, pictures(2));
        EXPECT_EQ(stream.recorded.counts().replayed, so_far + 1) << spec.name;
        ++replayed;
      }
    }
    EXPECT_GT(replayed, 20u);
    EXPECT_EQ(stream.recorded.counts().recorded, 1u);
  }
}

TEST_F(Recorded, WhatDoesNotConcernTheMethodMakesNoOtherGraph) {
  Stream stream(parameters_of(Method::amortised));
  for (int n = 0; n < 8; ++n) {
    stream.parameters.split_position = 0.1 * n;
    stream.parameters.contrast = 1 + 0.1 * n;
    expect_as_alone(stream, pictures(n));
  }
  EXPECT_EQ(stream.recorded.counts().replayed, 6u);
}

TEST_F(Recorded, KeepsTheThreeSizesThatWereUsedLast) {
  Stream stream(parameters_of(Method::guided));
  const auto frames = [&](std::int64_t height, int count) {
    for (int n = 0; n < count; ++n) expect_as_alone(stream, pictures(n, height, 24));
  };
  const RecordedCounts& counts = stream.recorded.counts();
  for (const int height : {16, 24, 32}) frames(height, 3);
  EXPECT_EQ(counts.recorded, 3u);
  frames(16, 1);  // known, with the noise of its own size
  EXPECT_EQ(counts.replayed, 4u);
  frames(40, 3);  // and 24 goes
  EXPECT_EQ(counts.recorded, 4u);
  EXPECT_EQ(counts.replayed, 5u);
  for (const int height : {16, 32, 40}) frames(height, 1);
  EXPECT_EQ(counts.recorded, 4u);
  EXPECT_EQ(counts.replayed, 8u);
  frames(24, 2);
  EXPECT_EQ(counts.replayed, 8u);
  frames(24, 1);
  EXPECT_EQ(counts.recorded, 5u);
  EXPECT_EQ(counts.replayed, 9u);
}

TEST_F(Recorded, TriesOnceWhatCannotBeRecorded) {
  Stream stream(parameters_of(Method::bandwise), false);
  for (int n = 0; n < 6; ++n) expect_as_alone(stream, pictures(n));
  EXPECT_EQ(stream.backend->captures, 1);
  EXPECT_EQ(stream.recorded.counts().failed, 1u);
  for (int n = 0; n < 4; ++n) expect_as_alone(stream, pictures(n, 24, 24));
  EXPECT_EQ(stream.backend->captures, 2);
}

TEST_F(Recorded, NoiseThatIsNotKeptIsNotRecorded) {
  const Parameters p = parameters_of(Method::guided);
  Stream stream(p, true, 32 * 40 * 4 * 3);  // three fields of seven
  for (int n = 0; n < 5; ++n) expect_as_alone(stream, pictures(n));
  EXPECT_EQ(stream.backend->captures, 0);
  EXPECT_EQ(stream.recorded.counts().failed, 1u);
}

TEST_F(Recorded, WithoutMemoryTheGraphsGo) {
  class Scarce : public FusionMethod {
   public:
    at::Tensor fuse(const at::Tensor& sources, const Parameters&, const NoiseField&) override {
      if (failures > 0 && failures-- > 0) throw Error(ErrorCode::out_of_memory, "none left");
      return sources.mean(0, true);
    }
    bool recordable(const Parameters&) const override { return true; }
    std::int64_t multiple() const override { return 1; }
    std::uint64_t evaluations() const override { return 0; }
    int failures = 0;
  } method;
  NoiseFields noise(at::kCPU);
  RecordedMethod recorded(make_cpu_backend());
  const auto fuse = [&](std::int64_t side) {
    const at::Tensor sources = pictures(1, side, side);
    EXPECT_TRUE(at::equal(recorded.fuse(method, sources, {}, noise), sources.mean(0, true)));
  };
  for (int n = 0; n < 3; ++n) fuse(16);
  ASSERT_EQ(recorded.counts().replayed, 1u);
  method.failures = 1;
  fuse(24);
  fuse(16);  // whose graph is gone
  EXPECT_EQ(recorded.counts().replayed, 1u);
  method.failures = 1;  // and nothing to give up
  EXPECT_THROW(fuse(24), Error);
}

// --- within the Fuser

TEST_F(Recorded, TheFuserAsksForItAndForgetsWithTheMethod) {
  const auto fresh = [](const Parameters& p, const at::Tensor& sources) {
    return Fuser(p, [](const std::string&) {}).fuse(sources);
  };
  Parameters p = parameters_of(Method::amortised);
  Fuser fuser(p, [](const std::string&) {});
  EXPECT_TRUE(at::equal(fuser.fuse(pictures(0, 33, 47)), fresh(p, pictures(0, 33, 47))));
  EXPECT_EQ(fuser.recorded().frames, 0u);  // on a CPU nobody does
  fuser.record_with(make_cpu_backend());
  std::uint64_t frames = 0, replayed = 0;
  for (const auto& [method, guidance] :
       {std::pair(Method::amortised, Guidance::constant), std::pair(Method::guided, Guidance::constant),
        std::pair(Method::guided, Guidance::em), std::pair(Method::bandwise, Guidance::constant)}) {
    p = parameters_of(method);
    p.guidance = guidance;
    fuser.configure(p);
    for (int n = 0; n < 4; ++n) {
      EXPECT_TRUE(at::equal(fuser.fuse(pictures(n, 33, 47)), fresh(p, pictures(n, 33, 47))));
      if (guidance == Guidance::em) continue;
      ++frames;
      replayed += n >= 2;
      if (n == 2) fuser.reset();  // what has no past has nothing to forget
    }
    EXPECT_EQ(fuser.recorded().frames, frames);
    EXPECT_EQ(fuser.recorded().replayed, replayed);
  }
}

TEST_F(Recorded, TheFuserTellsTheWeightsOfThatFrame) {
  for (const Method method : {Method::guided, Method::bandwise, Method::amortised}) {
    const Parameters p = parameters_of(method);
    Fuser fuser(p, [](const std::string&) {});
    fuser.record_with(make_cpu_backend());
    for (int n = 0; n < 5; ++n) {
      const at::Tensor sources = pictures(n, 33, 47);
      (void)fuser.fuse(sources);
      Fuser alone(p, [](const std::string&) {});
      (void)alone.fuse(sources);
      EXPECT_TRUE(at::equal(fuser.gain_map(), alone.gain_map()));
      EXPECT_EQ(fuser.evaluations(), alone.evaluations());
      const std::vector<double> means = fuser.weight_means();
      ASSERT_EQ(means, alone.weight_means());
      // All of the maps, without the border that the picture was padded with.
      double mean = 0;
      for (const double each : means) mean += each / double(means.size());
      double sum = 0;
      for (const double share : numbers(fuser.gain_map())) sum += share;
      EXPECT_NEAR(mean, sum / (33 * 47), 1e-6);
    }
  }
}

TEST_F(Recorded, MethodsThatDecideOnTheHostAreNot) {
  Parameters p = parameters_of(Method::guided);
  const auto method = make_method(p, at::kCPU, at::kFloat);
  EXPECT_TRUE(method->recordable(p));
  p.guidance = Guidance::em;
  EXPECT_FALSE(method->recordable(p));
  p = parameters_of(Method::guided);
  p.steps = 500;
  EXPECT_FALSE(method->recordable(p));
  p = parameters_of(Method::gradient);
  EXPECT_FALSE(make_method(p, at::kCPU, at::kFloat)->recordable(p));
}

// --- what a capture on a GPU doesn't allow

/// Sizes of what some operators give, where LibTorch has that for its own compiler alone.
at::Tensor meta_relu(const at::Tensor& x) { return at::empty_like(x); }
at::Tensor& meta_relu_(at::Tensor& x) { return x; }
at::Tensor meta_convolution(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>&,
                            at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef, bool transposed,
                            at::IntArrayRef, std::int64_t) {
  std::vector<std::int64_t> sizes = {x.size(0), weight.size(transposed ? 1 : 0)};
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t size = x.size(std::int64_t(d) + 2), taps = weight.size(std::int64_t(d) + 2);
    sizes.push_back(transposed ? (size - 1) * stride[d] - 2 * padding[d] + taps
                               : (size + 2 * padding[d] - taps) / stride[d] + 1);
  }
  return at::empty(sizes, x.options());
}
at::Tensor meta_where(const at::Tensor&, const at::Tensor& yes, const at::Tensor&) {
  return at::empty_like(yes);
}
std::tuple<at::Tensor, at::Tensor, at::Tensor> meta_group_norm(const at::Tensor& x,
                                                               const std::optional<at::Tensor>&,
                                                               const std::optional<at::Tensor>&,
                                                               std::int64_t count, std::int64_t, std::int64_t,
                                                               std::int64_t groups, double) {
  const at::Tensor moments = at::empty({count, groups}, x.options());
  return {at::empty_like(x), moments, moments};
}
at::Tensor& meta_where_out(const at::Tensor&, const at::Tensor&, const at::Tensor&, at::Tensor& result) {
  return result;
}
at::Tensor meta_reflection(const at::Tensor& x, at::IntArrayRef border) {
  std::vector<std::int64_t> sizes = x.sizes().vec();
  sizes[3] += border[0] + border[1];
  sizes[2] += border[2] + border[3];
  return at::empty(sizes, x.options());
}
at::Tensor& meta_abs_out(const at::Tensor&, at::Tensor& result) { return result; }
TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("abs.out", meta_abs_out);
  library.impl("where.self_out", meta_where_out);
  library.impl("reflection_pad2d", meta_reflection);
  library.impl("where.self", meta_where);
  library.impl("native_group_norm", meta_group_norm);
  library.impl("relu", meta_relu);
  library.impl("relu_", meta_relu_);
  library.impl("convolution_overrideable", meta_convolution);
}

/// Copies between devices, and questions of the host, that operators are asked for in this thread.
class Crossings {
 public:
  Crossings() {
    found.clear();
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(&Crossings::look).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  ~Crossings() { at::removeCallback(handle_); }
  Crossings(const Crossings&) = delete;
  Crossings& operator=(const Crossings&) = delete;

  static thread_local std::vector<std::string> found;

 private:
  static std::unique_ptr<at::ObserverContext> look(const at::RecordFunction& call) {
    const std::string name = call.name();
    if (name == "aten::copy_") {
      const auto inputs = call.inputs();
      const at::Tensor &to = inputs[0].toTensor(), &from = inputs[1].toTensor();
      if (to.device() != from.device()) found.push_back(name + " " + from.device().str());
    }
    for (const char* asks : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero",
                             "aten::masked_select", "aten::equal"})
      if (name == asks) found.push_back(name);
    return nullptr;
  }
  at::CallbackHandle handle_;
};
thread_local std::vector<std::string> Crossings::found;

/// Of the second frame of a method on the device that computes nothing: what isn't on it stands out, as what
/// isn't on a GPU would.
std::vector<std::string> crossings(const Parameters& p) {
  const c10::InferenceMode inference;
  const auto method = make_method(p, at::kMeta, at::kFloat);
  NoiseFields noise(at::kMeta);
  const std::int64_t channels = p.channels == Channels::rgb ? 3 : 1;
  const at::Tensor sources = at::empty({2, channels, 64, 96}, at::TensorOptions().device(at::kMeta));
  (void)method->fuse(sources, p, noise.of(p.seed));
  const Crossings count;
  const at::Tensor fused = method->fuse(sources, p, noise.of(p.seed));
  EXPECT_TRUE(fused.is_meta());
  return Crossings::found;
}

TEST_F(Recorded, NothingInAFrameCrossesToTheDeviceOrAsksIt) {
  for (const Parameters& p : settings()) EXPECT_EQ(crossings(p), std::vector<std::string>()) << told(p);
  // The check sees what it is for.
  const Crossings count;
  (void)at::ones({3}).to(at::kMeta);
  (void)at::ones({3}).sum().item<float>();
  EXPECT_GE(Crossings::found.size(), 2u);
}

TEST_F(Recorded, NorInALargeNetworks) {
  const char* data = std::getenv("DIGFUSION_TEST_DATA");
  if (!data) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no model of that kind";
  for (const Channels channels : {Channels::luma, Channels::rgb}) {
    Parameters p = parameters_of(Method::guided);
    p.model = Path(std::string(data) + "/reference/adm_tiny.pt");
    p.channels = channels;
    p.feature_reuse = 2;
    EXPECT_EQ(crossings(p), std::vector<std::string>()) << told(p);
  }
}

}  // namespace
}  // namespace digfusion
