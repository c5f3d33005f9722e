// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_frame.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <variant>

#include "core/fusion/gradient.h"
#include "core/fusion/gradient_method.h"
#include "core/fusion/gradient_plan.h"
#include "core/fusion/gradient_view.h"
#include "core/image/view.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr std::size_t most_plans = 3;
constexpr int frames_before_capture = 2;  // in which cuDNN chooses and LibTorch's allocator fills

NetworkMap map_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr(),
          number_of(tensor.scalar_type()),
          tensor.stride(0),
          tensor.stride(1),
          tensor.stride(2),
          tensor.stride(3),
          {int(tensor.size(2)), int(tensor.size(3))}};
}

}  // namespace

GradientFrame::GradientFrame(std::unique_ptr<Backend> backend, std::shared_ptr<const GradientStudent> student,
                             bool graphs)
    : backend_(std::move(backend)), student_(std::move(student)), graphs_(graphs) {}

GradientFrame::~GradientFrame() = default;

bool GradientFrame::takes(const Parameters& p) {
  return p.method == Method::gradient && p.channels == Channels::luma && p.contrast <= 1 &&
         has_view_kernel(p) &&
         (p.evidence == EvidenceSource::student || p.evidence == EvidenceSource::gradient);
}

void GradientFrame::reset() { restart_ = restart_noise_ = true; }

void GradientFrame::release() {
  reset();
  plans_.clear();
}

at::Tensor GradientFrame::fused() const {
  const GradientPlan& plan = *plans_.front();
  const GradientStream& s = plan.stream;
  return at::from_blob(s.fused, {1, 1, s.size.height, s.size.width},
                       at::TensorOptions().dtype(at::kFloat).device(backend_->device()))
      .narrow(2, 0, s.picture.height)
      .narrow(3, 0, s.picture.width);
}

std::vector<std::pair<std::string, at::Tensor>> GradientFrame::stages() const {
  const GradientStream& s = plans_.front()->stream;
  const auto map = [&](float* data, std::int64_t count, Extent2 e) {
    return at::from_blob(data, {count, 1, e.height, e.width},
                         at::TensorOptions().dtype(at::kFloat).device(backend_->device()));
  };
  std::vector<std::pair<std::string, at::Tensor>> stages = {{"planes", map(s.planes, s.count, s.size)},
                                                            {"scene mean", map(s.mean, s.count, s.size1())},
                                                            {"motion", map(s.motion, s.count, s.size2())},
                                                            {"share", map(s.share, 1, s.size2())},
                                                            {"weights", map(s.weights, s.count, s.size)},
                                                            {"base", map(s.base, 1, s.size)},
                                                            {"right side", map(s.right_side, 1, s.size)},
                                                            {"solution", map(s.solution, 1, s.size)},
                                                            {"fused", map(s.fused, 1, s.size)}};
  if (!student_) return stages;
  const int cell = 2 * s.unshuffle;
  stages.emplace(stages.begin() + 1, "told", map(s.told, s.count, {1, 4}));
  stages.emplace(stages.begin() + 2, "errors",
                 map(s.error, s.count, {s.size.height / cell, s.size.width / cell}));
  return stages;
}

GradientPlan& GradientFrame::plan_for(std::span<const Image> sources, std::span<const at::Tensor> ready,
                                      const Image& output) {
  const std::vector<std::int64_t> key = GradientPlan::key_of(sources, ready, output);
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& plan) { return plan->key == key; });
  if (found != plans_.end()) {
    if (found != plans_.begin()) {
      plans_.splice(plans_.begin(), plans_, found);
      restart_ = restart_noise_ = true;  // its past is of another time
    }
    return *plans_.front();
  }
  plans_.push_front(std::make_unique<GradientPlan>(*backend_, student_.get(), sources, ready, output));
  if (plans_.size() > most_plans) plans_.pop_back();
  ++counts_.plans;
  restart_ = restart_noise_ = true;
  return *plans_.front();
}

void GradientFrame::mark(const char* name) {
  if (!timed_) return;
  if (marked_ == marks_.size()) marks_.emplace_back(name, backend_->event());
  marks_[marked_].first = name;
  marks_[marked_++].second->record();
}

/// Everything before the network.
void GradientFrame::start_reading(GradientPlan& plan, const FrameKind& kind) {
  const GradientStream& s = plan.stream;
  backend_->copy(const_cast<FrameArguments*>(s.arguments), plan.arguments, sizeof(FrameArguments));
  for (const GradientPlan::Staging& staging : plan.source)
    if (staging.bytes > 0)
      backend_->copy(staging.device, staging.host, static_cast<std::size_t>(staging.bytes));
  mark("upload");
  backend_->kernels().read_planes(s);
  mark("read");
  if (student_ && kind.fuses) backend_->kernels().find_noise(s);
  mark("noise");
}

void GradientFrame::start_frame(GradientPlan& plan, const FrameKind& kind) {
  const Kernels& kernels = backend_->kernels();
  marked_ = 0;
  mark("start");
  start_reading(plan, kind);
  if (kind.fuses) start_fusion(plan, kind.noisy);
  if (kind.view == ViewKind::fused)
    kernels.write_planes(plan.stream, plan.copies, plan.copy_width, plan.copy_rows);
  else
    kernels.write_view(plan.stream, plan.view, kind.view == ViewKind::palette);
  mark("write");
  backend_->copy(plan.numbers, plan.stream.numbers, sizeof(StreamNumbers));
  if (plan.result.bytes > 0)
    backend_->copy(plan.result.host, plan.result.device, static_cast<std::size_t>(plan.result.bytes));
  mark("download");
}

/// From the network to the fused luma, which becomes the past.
void GradientFrame::start_fusion(GradientPlan& plan, std::uint32_t noisy) {
  const Kernels& kernels = backend_->kernels();
  GradientStream s = plan.stream;
  if (student_) {
    std::vector<std::int64_t> fine;
    NoiseRows rows{};
    for (int k = 0; k < most_sources; ++k) {
      rows.row[k] = noisy >> k & 1 ? int(fine.size()) : -1;
      if (rows.row[k] >= 0) fine.push_back(k);
    }
    plan.outputs = student_->evaluate(plan.features, plan.told, fine);
    mark("network");
    if (fine.empty())
      s.clean = s.planes;
    else
      kernels.take_noise_away(s, map_of(plan.outputs.fine), rows);
    kernels.take_errors(s, map_of(plan.outputs.side));
    mark("evidence");
  } else {
    s.clean = s.planes;
  }
  kernels.follow_scene(s);
  mark("steadiness");
  kernels.weigh(s);
  mark("weights");
  kernels.make_base(s);
  mark("base");
  kernels.solve(s);
  mark("solve");
  kernels.fit_tone(s);
  mark("tone");
  kernels.commit(s);
}

void GradientFrame::fuse(std::span<const Image> sources, std::span<const at::Tensor> ready,
                         std::span<const bool> negative, const Image& output, const Parameters& p) {
  backend_->run([&] {
    GradientPlan& plan = plan_for(sources, ready, output);

    // What changes from frame to frame.
    FrameArguments& arguments = *plan.arguments;
    const auto place = [&](const Image& image, const GradientPlan::Staging& staging, bool fill) {
      if (staging.bytes == 0) return image;
      if (fill) copy_rows(image, packed(image, staging.host));
      return packed(image, staging.device);
    };
    Image visible = sources[0];
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const bool is_negative = i < negative.size() && negative[i];
      if (i < ready.size() && ready[i].defined()) {
        const at::Tensor dense = ready[i].to(at::kCPU, at::kFloat).contiguous();
        std::memcpy(plan.source[i].host, dense.const_data_ptr(),
                    static_cast<std::size_t>(plan.source[i].bytes));
        PictureView& view = arguments.views.source[i] = {};
        view.is_plane = true;
        view.width = plan.stream.picture.width, view.height = plan.stream.picture.height;
        view.channel[0].data = reinterpret_cast<std::uint8_t*>(plan.source[i].device);
        continue;
      }
      const Image image = place(sources[i], plan.source[i], true);
      if (i == 0) visible = image;
      arguments.views.source[i] = view_of(image, is_negative);
    }
    const Image to = place(output, plan.result, false);
    arguments.views.output = view_of(to, false);
    arguments.views.copies = 0;
    FrameKind kind{0, view_kind(p), needs_of(p).fused};
    arguments.view = view_settings(p, visible, to);
    // Samples of two pictures lie where they will; between them there is nothing of either.
    const bool is_composed = arguments.view.arrangement != Arrangement::one;
    for (int i = 0; i < visible.planes; ++i) {
      if (kind.view == ViewKind::fused && !is_copied(visible, i)) continue;
      Plane a = visible.plane[i];
      const Plane& b = to.plane[i];
      if (is_composed) a.data = nullptr, a.row_bytes = b.row_bytes;
      arguments.views.copy[arguments.views.copies++] = {a.data,
                                                        b.data,
                                                        a.stride,
                                                        b.stride,
                                                        int(std::min(a.row_bytes, b.row_bytes)),
                                                        std::min(a.rows, b.rows)};
    }

    const GradientRule rule = rule_of(p);
    if (before_ &&
        (p.noise != before_->noise || p.draws != before_->draws || p.distance != before_->distance))
      reset();
    if (before_ && rule_of(*before_) != rule) restart_ = true;
    before_ = p;
    GradientSettings& settings = arguments.settings;
    settings.restart = restart_;
    settings.restart_noise = restart_noise_;
    settings.adaptation = p.adaptation;
    settings.gain = static_cast<float>(rule.gain);
    settings.hot_base = static_cast<float>(rule.hot_base);
    settings.hot_weight = static_cast<float>(rule.hot_weight);
    settings.still_share = static_cast<float>(rule.still_share);
    const NoiseSetting noise = std::get<NoiseSetting>(parse_noise(p.noise.view()));
    std::uint32_t given = 0, automatic = 0;
    for (std::size_t k = 0; k < sources.size(); ++k) {
      const NoiseSetting::Source& source = noise.of(k);
      settings.noise_is_automatic[k] = source.automatic;
      settings.white[k] = source.white, settings.column[k] = source.column;
      if (source.automatic) automatic |= 1u << k;
      if (!source.automatic && source.white + source.column > 0) given |= 1u << k;
    }

    const auto found_noise = [&] {
      std::uint32_t found = 0;
      for (std::size_t k = 0; k < sources.size(); ++k)
        if (plan.numbers->white[k] + plan.numbers->column[k] > 0) found |= 1u << k;
      return found;
    };
    if (student_ && kind.fuses && automatic != 0 && restart_noise_) {
      start_reading(plan, kind);
      backend_->copy(plan.numbers, plan.stream.numbers, sizeof(StreamNumbers));
      backend_->wait();
      noisy_ = found_noise();
    }
    if (student_ && kind.fuses) kind.noisy = given | (noisy_ & automatic);

    std::unique_ptr<Graph>& graph = plan.graphs[kind];
    int& direct = plan.direct[kind];
    const bool use_graphs = graphs_ && !counts_.capture_failed && !timed_;
    if (use_graphs && !graph && direct >= frames_before_capture) {
      graph = backend_->capture([this, &plan, kind] { start_frame(plan, kind); });
      if (!graph) counts_.capture_failed = true;
    }
    if (use_graphs && graph) {
      graph->replay();
      ++counts_.replayed;
    } else {
      start_frame(plan, kind);
      ++direct;
    }
    backend_->wait();
    ++counts_.frames;
    infrared_share_.reset();
    evaluations_ = kind.fuses ? sources.size() : 0;

    parts_.clear();
    if (timed_)
      for (std::size_t i = 1; i < marked_; ++i)
        parts_.push_back({marks_[i].first, marks_[i].second->milliseconds_since(*marks_[i - 1].second)});

    if (!kind.fuses) {
      reset();  // what comes after is no next frame of what was fused
    } else if (plan.numbers->holes > 0) {
      throw Error(ErrorCode::internal, "the network's result isn't finite; try precision=float32");
    } else {
      noisy_ = found_noise();
      restart_ = restart_noise_ = false;
      infrared_share_ = plan.numbers->infrared_share;
    }
    if (plan.result.bytes > 0) copy_rows(packed(output, plan.result.host), output);
  });
}

}  // namespace digfusion
