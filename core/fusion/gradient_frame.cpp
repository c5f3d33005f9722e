// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_frame.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <variant>

#include "core/device/noise_bodies.h"
#include "core/fusion/gradient.h"
#include "core/fusion/gradient_method.h"
#include "core/fusion/poisson.h"
#include "core/image/samples.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr std::size_t most_plans = 3;
constexpr int frames_before_capture = 2;  // in which cuDNN chooses and LibTorch's allocator fills

/// Hands out parts of one buffer: first to no one, to learn its size, then in earnest.
class Arena {
 public:
  explicit Arena(std::byte* base) : base_(base) {}
  template <class T>
  T* take(std::int64_t count) {
    used_ = (used_ + 255) / 256 * 256;
    T* const result = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += static_cast<std::size_t>(count) * sizeof(T);
    return result;
  }
  std::size_t used() const { return used_ + 256; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

std::byte* bytes_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.mutable_data_ptr()); }

Taps gaussian(double sigma) {
  Taps taps{};
  taps.radius = static_cast<int>(std::ceil(3 * sigma));
  TORCH_CHECK(taps.radius < int(std::size(taps.weight)), "a Gaussian of too many taps");
  for (int i = 0; i <= taps.radius; ++i)
    taps.weight[i] = static_cast<float>(std::exp(-.5 * i * i / (sigma * sigma)));
  return taps;
}

Number number_of(at::ScalarType type) {
  return type == at::kBFloat16 ? Number::bfloat16 : type == at::kHalf ? Number::float16 : Number::float32;
}

NetworkMap map_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr(),
          number_of(tensor.scalar_type()),
          tensor.stride(0),
          tensor.stride(1),
          tensor.stride(2),
          tensor.stride(3),
          {int(tensor.size(2)), int(tensor.size(3))}};
}

// --- pictures

/// Rows of a picture's planes, one after another, as staging holds them.
std::int64_t packed_stride(const Plane& plane) { return std::int64_t(plane.row_bytes + 15) / 16 * 16; }
std::int64_t packed_bytes(const Image& image) {
  std::int64_t bytes = 0;
  for (int p = 0; p < image.planes; ++p) bytes += packed_stride(image.plane[p]) * image.plane[p].rows;
  return bytes;
}
/// The image with its planes in packed memory.
Image packed(const Image& image, std::byte* memory) {
  Image result = image;
  for (int p = 0; p < image.planes; ++p) {
    Plane& plane = result.plane[p];
    plane.stride = packed_stride(plane);
    plane.data = reinterpret_cast<std::uint8_t*>(memory);
    memory += plane.stride * plane.rows;
  }
  return result;
}
void copy_rows(const Image& from, const Image& to) {
  for (int p = 0; p < from.planes; ++p)
    for (int y = 0; y < from.plane[p].rows; ++y)
      std::memcpy(to.plane[p].data + y * to.plane[p].stride, from.plane[p].data + y * from.plane[p].stride,
                  from.plane[p].row_bytes);
}

PictureView view_of(const Image& image, bool negative) {
  PictureView v{};
  v.width = image.width;
  v.height = image.height;
  v.is_rgb = image.is_rgb;
  v.is_big_endian = image.big_endian;
  const Component& first = image.component[0];
  v.is_wide = first.depth + first.shift > 8;
  for (int c = 0; c < (image.is_rgb ? 3 : 1); ++c) {
    const Component& component = image.component[c];
    const Plane& plane = image.plane[component.plane];
    v.channel[c] = {plane.data + component.offset, plane.stride, component.pixel_stride, component.shift};
  }
  const LumaWeights weights = luma_weights(image.matrix);
  v.weight[0] = weights.r, v.weight[1] = weights.g, v.weight[2] = weights.b;
  const Scale scale = scale_of(first.depth, image.range);
  const float sign = negative ? -1.f : 1.f;
  v.largest = scale.largest;
  v.gain = sign * static_cast<float>(2 / (scale.white - scale.black));
  v.offset = sign * static_cast<float>(-1 - scale.black * 2 / (scale.white - scale.black));
  v.to_gain = static_cast<float>((scale.white - scale.black) / 2);
  v.to_offset = static_cast<float>((scale.white + scale.black) / 2);
  return v;
}

/// Whether copy_planes() would copy this plane.
bool is_copied(const Image& visible, int plane) {
  const int written = visible.is_rgb ? 0 : 1;
  int first = visible.components, last = -1;
  for (int c = 0; c < visible.components; ++c)
    if (visible.component[c].plane == plane) first = std::min(first, c), last = c;
  return !(first <= last && last < written);
}

/// Everything of a frame on which its memory and its graphs depend.
void add_to_key(std::vector<std::int64_t>& key, const Image& image, bool ready) {
  key.insert(key.end(), {image.width, image.height, ready, int(image.memory), image.planes});
  if (ready) return;
  for (int p = 0; p < image.planes; ++p)
    key.insert(key.end(), {std::int64_t(image.plane[p].row_bytes), image.plane[p].rows});
}

}  // namespace

/// What is allocated and recorded for one size and layout.
struct GradientFrame::Plan {
  std::vector<std::int64_t> key;
  at::Tensor memory, host;  // all of it on the device; what crosses the bus, in the host's memory
  GradientStream stream{};
  std::vector<PoissonGrid> grids, device_grids;
  FrameArguments* arguments = nullptr;  // in `host`, as the next two
  StreamNumbers* numbers = nullptr;
  struct Staging {
    std::byte *host = nullptr, *device = nullptr;
    std::int64_t bytes = 0;
  };
  std::vector<Staging> source;
  Staging output;
  at::Tensor features, told;  // views of `memory`
  int copies = 0, copy_width = 0, copy_rows = 0;
  std::map<std::uint32_t, std::unique_ptr<Graph>> graphs;  // by the sources whose noise is taken away
  std::map<std::uint32_t, int> direct;                     // frames without one
  // What a network that isn't part of a graph returned, until the frame is done.
  UNetOutputs outputs;
};

GradientFrame::GradientFrame(std::unique_ptr<Backend> backend, std::shared_ptr<const GradientStudent> student,
                             bool graphs)
    : backend_(std::move(backend)), student_(std::move(student)), graphs_(graphs) {}

GradientFrame::~GradientFrame() = default;

bool GradientFrame::takes(const Parameters& p) {
  return p.method == Method::gradient && p.channels == Channels::luma && p.contrast <= 1 &&
         (p.evidence == EvidenceSource::student || p.evidence == EvidenceSource::gradient);
}

void GradientFrame::reset() { restart_ = restart_noise_ = true; }

void GradientFrame::release() {
  reset();
  plans_.clear();
}

at::Tensor GradientFrame::fused() const {
  const Plan& plan = *plans_.front();
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

GradientFrame::Plan& GradientFrame::plan_for(const std::vector<std::int64_t>& key,
                                             std::span<const Image> sources,
                                             std::span<const at::Tensor> ready, const Image& output) {
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& plan) { return plan->key == key; });
  if (found != plans_.end()) {
    if (found != plans_.begin()) {
      plans_.splice(plans_.begin(), plans_, found);
      restart_ = restart_noise_ = true;  // its past is of another time
    }
    return *plans_.front();
  }
  auto plan = std::make_unique<Plan>();
  plan->key = key;
  GradientStream& s = plan->stream;
  const GradientRule rule;
  const auto multiple = static_cast<int>(student_ ? student_->multiple() : 1);
  const auto rounded_up = [&](int size) { return (size + multiple - 1) / multiple * multiple; };
  s.count = static_cast<int>(sources.size());
  s.picture = {sources[0].height, sources[0].width};
  s.size = {rounded_up(s.picture.height), rounded_up(s.picture.width)};
  s.sharpness = static_cast<float>(rule.sharpness);
  s.energy_share = static_cast<float>(rule.energy_share);
  s.base_choice = static_cast<float>(rule.base_choice);
  s.screening = static_cast<float>(rule.screening);
  s.cycles = rule.cycles;
  s.unshuffle = 1;
  if (student_) {
    const std::vector<float> offsets = student_->log_error_offsets();
    TORCH_CHECK(offsets.size() <= std::size(s.level_offset), "a student of too many levels");
    std::copy(offsets.begin(), offsets.end(), s.level_offset);
    s.levels = static_cast<int>(offsets.size());
    s.unshuffle = student_->config().unshuffle;
    s.network = number_of(student_->dtype());
    s.error_radius_cells = static_cast<int>(std::lround(rule.error_radius / (2 * s.unshuffle)));
  }
  // As gaussian_blur() does it.
  s.heat_shrink = 8, s.heat_taps = gaussian(40. / s.heat_shrink);
  s.base_shrink = static_cast<int>(rule.base_radius / 5),
  s.base_taps = gaussian(rule.base_radius / s.base_shrink);

  const auto axes = poisson_grids(s.size.height, s.size.width);
  s.grids = static_cast<int>(axes.size());
  plan->grids.resize(axes.size());
  std::vector<float> axis_numbers;

  const Extent2 e1 = s.size1(), e2 = s.size2(), e3 = s.size3(), heat = s.small(s.heat_shrink),
                base = s.small(s.base_shrink);
  const std::int64_t k = s.count, area = s.size.area();
  const int cell = 2 * s.unshuffle;
  PoissonGrid* grids_on_device = nullptr;
  float* axes_on_device = nullptr;
  const auto lay_out = [&](Arena arena) {
    s.numbers = arena.take<StreamNumbers>(1);
    s.arguments = arena.take<FrameArguments>(1);
    s.planes = arena.take<float>(k * area);
    s.clean = arena.take<float>(k * area);
    s.first = arena.take<float>(k * area);
    s.second = arena.take<float>(k * area);
    s.network_input = arena.take<float>(k * area);
    s.told = arena.take<float>(4 * k);
    s.error = arena.take<float>(k * (s.size.height / cell) * (s.size.width / cell));
    s.heat_small = arena.take<float>(k * heat.area()), s.heat_middle = arena.take<float>(k * heat.area());
    s.base_small = arena.take<float>(k * base.area()), s.base_middle = arena.take<float>(k * base.area());
    s.base = arena.take<float>(area);
    s.histogram = arena.take<std::uint32_t>(4096);
    for (float** map : {&s.weights, &s.weights_past}) *map = arena.take<float>(k * area);
    for (float** map : {&s.fused, &s.fused_past}) *map = arena.take<float>(area);
    for (float** map : {&s.thumbnails, &s.thumbnails_past}) *map = arena.take<float>(k * 256);
    for (float** map : {&s.now, &s.mean, &s.mean_past, &s.change}) *map = arena.take<float>(k * e1.area());
    for (float** map : {&s.blocks, &s.contrast, &s.contrast_past, &s.change2, &s.energy, &s.motion, &s.share})
      *map = arena.take<float>(k * e2.area());
    for (float** map : {&s.squares3, &s.blocks3, &s.change3, &s.energy3})
      *map = arena.take<float>(k * e3.area());
    s.responses = arena.take<float>(k * white_places(s.size).area());
    s.differences = arena.take<float>(2 * k * column_parts * s.size.width);
    grids_on_device = arena.take<PoissonGrid>(s.grids);
    axes_on_device = arena.take<float>(std::int64_t(axis_numbers.size()));
    for (std::size_t n = 0; n < axes.size(); ++n) {
      const std::int64_t cells = std::int64_t(axes[n].first.width.size() * axes[n].second.width.size());
      plan->grids[n].solution = arena.take<float>(cells);
      plan->grids[n].right_side = arena.take<float>(cells);
    }
    plan->source.resize(sources.size());
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const bool is_ready = i < ready.size() && ready[i].defined();
      plan->source[i].bytes = is_ready                            ? std::int64_t(s.picture.area()) * 4
                              : sources[i].memory == Memory::host ? packed_bytes(sources[i])
                                                                  : 0;
      plan->source[i].device = arena.take<std::byte>(plan->source[i].bytes);
    }
    plan->output.bytes = output.memory == Memory::host ? packed_bytes(output) : 0;
    plan->output.device = arena.take<std::byte>(plan->output.bytes);
    return arena.used();
  };
  // Coefficients of all axes, one after another; pointers follow when their place is known.
  std::vector<std::array<std::size_t, 10>> places;
  const auto put = [&](const std::vector<float>& numbers) {
    const std::size_t at = axis_numbers.size();
    axis_numbers.insert(axis_numbers.end(), numbers.begin(), numbers.end());
    return at;
  };
  for (const auto& [rows, columns] : axes)
    places.push_back({put(rows.before), put(rows.after), put(columns.before), put(columns.after),
                      put(rows.share_first), put(columns.share_first), put(rows.lean_first),
                      put(rows.lean_second), put(columns.lean_first), put(columns.lean_second)});

  plan->memory = backend_->buffer(lay_out(Arena(nullptr)));
  lay_out(Arena(bytes_of(plan->memory)));
  for (std::size_t n = 0; n < axes.size(); ++n) {
    PoissonGrid& g = plan->grids[n];
    g.size = {int(axes[n].first.width.size()), int(axes[n].second.width.size())};
    const float** const parts[] = {
        &g.up,           &g.down,        &g.left,        &g.right,          &g.row_share,
        &g.column_share, &g.row_lean[0], &g.row_lean[1], &g.column_lean[0], &g.column_lean[1]};
    for (std::size_t i = 0; i < std::size(parts); ++i) *parts[i] = axes_on_device + places[n][i];
  }
  s.solution = plan->grids[0].solution;
  s.right_side = plan->grids[0].right_side;
  s.grid = plan->grids.data();
  s.grid_on_device = grids_on_device;

  // The host's side, with room at its end for what is uploaded once.
  PoissonGrid* grids_in_host = nullptr;
  float* axes_in_host = nullptr;
  const auto lay_out_host = [&](Arena arena) {
    plan->arguments = arena.take<FrameArguments>(1);
    plan->numbers = arena.take<StreamNumbers>(1);
    for (Plan::Staging& staging : plan->source) staging.host = arena.take<std::byte>(staging.bytes);
    plan->output.host = arena.take<std::byte>(plan->output.bytes);
    grids_in_host = arena.take<PoissonGrid>(s.grids);
    axes_in_host = arena.take<float>(std::int64_t(axis_numbers.size()));
    return arena.used();
  };
  plan->host = backend_->staging(lay_out_host(Arena(nullptr)));
  lay_out_host(Arena(bytes_of(plan->host)));
  std::copy(plan->grids.begin(), plan->grids.end(), grids_in_host);
  std::copy(axis_numbers.begin(), axis_numbers.end(), axes_in_host);
  backend_->copy(grids_on_device, grids_in_host, plan->grids.size() * sizeof(PoissonGrid));
  backend_->copy(axes_on_device, axes_in_host, axis_numbers.size() * sizeof(float));

  if (student_) {
    const auto options = at::TensorOptions().device(backend_->device());
    plan->features = at::from_blob(s.network_input,
                                   {k, s.size.height / s.unshuffle, s.size.width / s.unshuffle,
                                    std::int64_t{s.unshuffle} * s.unshuffle},
                                   options.dtype(student_->dtype()))
                         .permute({0, 3, 1, 2});
    plan->told = at::from_blob(s.told, {k, 4}, options.dtype(at::kFloat));
  }
  for (int p = 0; p < sources[0].planes; ++p) {
    if (!is_copied(sources[0], p)) continue;
    ++plan->copies;
    plan->copy_width = std::max(plan->copy_width, int(sources[0].plane[p].row_bytes));
    plan->copy_rows = std::max(plan->copy_rows, sources[0].plane[p].rows);
  }
  plans_.push_front(std::move(plan));
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
void GradientFrame::start_reading(Plan& plan) {
  const GradientStream& s = plan.stream;
  backend_->copy(const_cast<FrameArguments*>(s.arguments), plan.arguments, sizeof(FrameArguments));
  for (const Plan::Staging& staging : plan.source)
    if (staging.bytes > 0)
      backend_->copy(staging.device, staging.host, static_cast<std::size_t>(staging.bytes));
  mark("upload");
  backend_->kernels().read_planes(s);
  mark("read");
  if (student_) backend_->kernels().find_noise(s);
  mark("noise");
}

void GradientFrame::start_frame(Plan& plan, std::uint32_t noisy) {
  const Kernels& kernels = backend_->kernels();
  marked_ = 0;
  mark("start");
  start_reading(plan);
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
  kernels.write_planes(s, plan.copies, plan.copy_width, plan.copy_rows);
  mark("write");
  backend_->copy(plan.numbers, s.numbers, sizeof(StreamNumbers));
  if (plan.output.bytes > 0)
    backend_->copy(plan.output.host, plan.output.device, static_cast<std::size_t>(plan.output.bytes));
  mark("download");
}

void GradientFrame::fuse(std::span<const Image> sources, std::span<const at::Tensor> ready,
                         std::span<const bool> negative, const Image& output, const Parameters& p) {
  backend_->run([&] {
    std::vector<std::int64_t> key = {std::int64_t(sources.size())};
    for (std::size_t i = 0; i < sources.size(); ++i)
      add_to_key(key, sources[i], i < ready.size() && ready[i].defined());
    add_to_key(key, output, false);
    Plan& plan = plan_for(key, sources, ready, output);

    // What changes from frame to frame.
    FrameArguments& arguments = *plan.arguments;
    const auto place = [&](const Image& image, const Plan::Staging& staging, bool fill) {
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
    const Image to = place(output, plan.output, false);
    arguments.views.output = view_of(to, false);
    arguments.views.copies = 0;
    for (int i = 0; i < visible.planes; ++i) {
      if (!is_copied(visible, i)) continue;
      const Plane &a = visible.plane[i], &b = to.plane[i];
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
    if (student_ && automatic != 0 && restart_noise_) {
      start_reading(plan);
      backend_->copy(plan.numbers, plan.stream.numbers, sizeof(StreamNumbers));
      backend_->wait();
      noisy_ = found_noise();
    }
    const std::uint32_t noisy = student_ ? given | (noisy_ & automatic) : 0;

    std::unique_ptr<Graph>& graph = plan.graphs[noisy];
    int& direct = plan.direct[noisy];
    const bool use_graphs = graphs_ && !counts_.capture_failed && !timed_;
    if (use_graphs && !graph && direct >= frames_before_capture) {
      graph = backend_->capture([this, &plan, noisy] { start_frame(plan, noisy); });
      if (!graph) counts_.capture_failed = true;
    }
    if (use_graphs && graph) {
      graph->replay();
      ++counts_.replayed;
    } else {
      start_frame(plan, noisy);
      ++direct;
    }
    backend_->wait();
    ++counts_.frames;
    evaluations_ = sources.size();

    parts_.clear();
    if (timed_)
      for (std::size_t i = 1; i < marked_; ++i)
        parts_.push_back({marks_[i].first, marks_[i].second->milliseconds_since(*marks_[i - 1].second)});

    if (plan.numbers->holes > 0)
      throw Error(ErrorCode::internal, "the network's result isn't finite; try precision=float32");
    noisy_ = found_noise();
    restart_ = restart_noise_ = false;
    if (plan.output.bytes > 0) copy_rows(packed(output, plan.output.host), output);
  });
}

}  // namespace digfusion
