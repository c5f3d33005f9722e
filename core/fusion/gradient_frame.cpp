// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_frame.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <utility>
#include <variant>

#include "core/fusion/gradient.h"
#include "core/fusion/gradient_method.h"
#include "core/fusion/gradient_plan.h"
#include "core/fusion/gradient_view.h"
#include "core/image/gain_control.h"
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

std::vector<std::int64_t> places_of(std::uint32_t bits) {
  std::vector<std::int64_t> places;
  for (int k = 0; k < most_sources; ++k)
    if (bits >> k & 1) places.push_back(k);
  return places;
}

/// Numbers that are ready, in the device's memory.
PictureView view_of_plane(const void* data, Extent2 size) {
  PictureView view{};
  view.is_plane = true;
  view.width = size.width, view.height = size.height;
  view.channel[0].data = static_cast<std::uint8_t*>(const_cast<void*>(data));
  return view;
}

/// Behind the picture, with which it is uploaded.
void put_curve(const float* curve, const GradientPlan::Staging& staging, PictureView& view) {
  std::memcpy(staging.host + staging.curve, curve, raw_values * sizeof(float));
  view.curve = reinterpret_cast<const float*>(staging.device + staging.curve);
  view.gain = view.gain < 0 ? -1.f : 1.f;
}

std::uint32_t found_noise(const StreamNumbers& numbers, std::size_t sources) {
  std::uint32_t found = 0;
  for (std::size_t k = 0; k < sources; ++k)
    if (numbers.white[k] + numbers.column[k] > 0) found |= 1u << k;
  return found;
}

}  // namespace

GradientFrame::GradientFrame(std::unique_ptr<Backend> backend, std::shared_ptr<const GradientStudent> student,
                             bool graphs, int in_flight, int batch_streams)
    : backend_(std::move(backend)),
      upload_(backend_->sibling()),
      download_(backend_->sibling()),
      student_(std::move(student)),
      graphs_(graphs),
      lanes_(static_cast<std::size_t>(in_flight)) {
  backend_->run([&] {
    if (student_ && batch_streams > 1)
      batch_ = std::make_unique<NetworkBatch>(*backend_, student_, batch_streams);
    for (Lane& lane : lanes_) lane = {upload_->event(), backend_->event(), download_->event(), {}, 0};
  });
}

GradientFrame::~GradientFrame() {
  if (!flights_.empty()) settle();
}

bool GradientFrame::takes(const Parameters& p) {
  return p.method == Method::gradient && p.channels == Channels::luma && p.contrast <= 1 &&
         has_view_kernel(p) &&
         (p.evidence == EvidenceSource::student || p.evidence == EvidenceSource::gradient);
}

void GradientFrame::reset() { restart_ = restart_noise_ = true; }

void GradientFrame::release() {
  if (!flights_.empty()) settle();
  flights_.clear();
  if (batch_) batch_->leave();
  reset();
  plans_.clear();
}

/// Until nothing is under way, whether or not that succeeds.
void GradientFrame::settle() noexcept {
  for (Backend* stream : {upload_.get(), backend_.get(), download_.get()}) try {
      stream->wait();
    } catch (const std::exception&) {
      // The device has failed; whoever waits for a frame is told.
    }
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
  std::vector<std::pair<std::string, at::Tensor>> stages;
  stages.emplace_back("planes", map(s.planes, s.count, s.size));
  if (student_) {
    const int cell = 2 * s.unshuffle;
    stages.emplace_back("told", map(s.told, s.count, {1, 4}));
    stages.emplace_back("errors", map(s.error, s.count, {s.size.height / cell, s.size.width / cell}));
  }
  stages.emplace_back("scene mean", map(s.mean, s.count, s.size1()));
  stages.emplace_back("motion", map(s.motion, s.count, s.size2()));
  stages.emplace_back("share", map(s.share, 1, s.size2()));
  stages.emplace_back("weights", map(s.weights, s.count, s.size));
  stages.emplace_back("base", map(s.base, 1, s.size));
  stages.emplace_back("right side", map(s.right_side, 1, s.size));
  stages.emplace_back("solution", map(s.solution, 1, s.size));
  stages.emplace_back("fused", map(s.fused, 1, s.size));
  return stages;
}

std::shared_ptr<GradientPlan> GradientFrame::plan_for(std::span<const Image> sources,
                                                      std::span<const at::Tensor> ready,
                                                      std::span<const InfraredWork> infrared,
                                                      const Image& output) {
  const std::vector<std::int64_t> key = GradientPlan::key_of(sources, ready, infrared, output);
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& plan) { return plan->key == key; });
  const std::shared_ptr<GradientPlan> last = plans_.empty() ? inherited_ : plans_.front();
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
  } else {
    auto plan = std::make_shared<GradientPlan>(*backend_, student_.get(), sources, ready, infrared, output,
                                               in_flight());
    if (batch_) plan->outputs = batch_->room_for(plan->features);
    // The computing stream fills the new memory, with zeros too; nothing may be uploaded there before.
    const std::unique_ptr<Event> made = backend_->event();
    made->record();
    upload_->follow(*made);
    plans_.push_front(std::move(plan));
    // A frame in flight keeps its plan; of one that is dropped here nothing is under way.
    if (plans_.size() > most_plans) plans_.pop_back();
    ++counts_.plans;
  }
  if (last != plans_.front()) take_past_of(last);
  return plans_.front();
}

/// Pictures of another layout, or a frame by another network, are of the same scene, where size and number
/// are the same.
void GradientFrame::take_past_of(const std::shared_ptr<GradientPlan>& last) {
  GradientPlan& plan = *plans_.front();
  if (!last || !last->has_past_for(plan)) {
    restart_ = restart_noise_ = true;
  } else if (!restart_) {
    const auto from = last->past(), to = plan.past();
    for (std::size_t i = 0; i < from.size(); ++i)
      backend_->copy(to[i].data(), from[i].data(), from[i].size());
  }
  if (std::exchange(inherited_, nullptr)) backend_->wait();  // its memory is another stream's
}

void GradientFrame::inherit(GradientFrame& before) {
  if (before.plans_.empty()) return;
  inherited_ = before.plans_.front();
  before_ = before.before_;
  restart_ = before.restart_;
  restart_noise_ = before.restart_noise_ || before.lanes_.size() != lanes_.size();
  if (!restart_noise_) decisions_ = before.decisions_;
}

void GradientFrame::mark(const char* name, Backend& stream) {
  if (!timed_) return;
  Lane& lane = lanes_[lane_];
  if (lane.marked == lane.marks.size()) lane.marks.push_back({name, &stream, stream.event()});
  Mark& mark = lane.marks[lane.marked++];
  if (mark.stream != &stream) mark = {name, &stream, stream.event()};
  mark.name = name;
  mark.event->record();
}

/// Everything before the network.
void GradientFrame::start_reading(GradientPlan& plan, const FrameKind& kind) {
  const GradientStream& s = plan.stream;
  for (const auto& infrared : plan.infrared)
    if (infrared) backend_->kernels().place_infrared(infrared->placing());
  backend_->kernels().read_planes(s);
  mark("read");
  if (student_ && kind.fuses) backend_->kernels().find_noise(s);
  mark("noise");
}

void GradientFrame::start_frame(GradientPlan& plan, const FrameKind& kind) {
  start_reading(plan, kind);
  if (student_ && kind.fuses) {
    plan.outputs = student_->evaluate(plan.features, plan.told, places_of(kind.noisy));
    mark("network");
  }
  start_rest(plan, kind);
}

/// Everything after the network.
void GradientFrame::start_rest(GradientPlan& plan, const FrameKind& kind) {
  const Kernels& kernels = backend_->kernels();
  if (kind.fuses) start_fusion(plan, kind.noisy);
  if (kind.view == ViewKind::fused)
    kernels.write_planes(plan.stream, plan.copies, plan.copy_width, plan.copy_rows);
  else
    kernels.write_view(plan.stream, plan.view, kind.view == ViewKind::palette);
  mark("write");
}

/// From what the network says to the fused luma, which becomes the past.
void GradientFrame::start_fusion(GradientPlan& plan, std::uint32_t noisy) {
  const Kernels& kernels = backend_->kernels();
  GradientStream s = plan.stream;
  if (noisy == 0) s.clean = s.planes;
  if (student_) {
    NoiseRows rows{};
    for (int k = 0, next = 0; k < most_sources; ++k) rows.row[k] = noisy >> k & 1 ? next++ : -1;
    if (noisy != 0) kernels.take_noise_away(s, map_of(plan.outputs.fine), rows);
    kernels.take_errors(s, map_of(plan.outputs.side));
    mark("evidence");
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

/// What changes from frame to frame; pictures in the host's memory are copied to where they are uploaded
/// from.
void GradientFrame::fill_arguments(GradientPlan& plan, std::size_t lane, std::span<const Image> sources,
                                   std::span<const at::Tensor> ready, std::span<const bool> negative,
                                   const Image& output, const Parameters& p,
                                   std::span<const InfraredWork> infrared) {
  GradientPlan::Slot& slot = plan.slots[lane];
  FrameArguments& arguments = *slot.arguments;
  const auto place = [&](const Image& image, const GradientPlan::Staging& staging, bool fill) {
    if (image.memory != Memory::host) return image;
    if (fill) copy_rows(image, packed(image, staging.host));
    return packed(image, staging.device);
  };
  Image visible = sources[0];
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const bool is_negative = i < negative.size() && negative[i];
    InfraredPlan* const placing = plan.infrared[i].get();
    PictureView& view = placing ? arguments.views.infrared[i] : arguments.views.source[i];
    if (i < ready.size() && ready[i].defined()) {
      const at::Tensor dense = ready[i].to(at::kCPU, at::kFloat).contiguous();
      std::memcpy(slot.source[i].host, dense.const_data_ptr(), dense.nbytes());
      view = view_of_plane(slot.source[i].device, {sources[i].height, sources[i].width});
    } else {
      const Image image = place(sources[i], slot.source[i], true);
      if (i == 0) visible = image;
      view = view_of(image, is_negative);
      if (i < infrared.size() && infrared[i].curve) put_curve(infrared[i].curve, slot.source[i], view);
    }
    if (!placing) continue;
    placing->update(*backend_, infrared[i]);
    arguments.views.source[i] = view_of_plane(placing->placing().plane, plan.stream.picture);
  }
  const Image to = place(output, slot.result, false);
  arguments.views.output = view_of(to, false);
  arguments.views.copies = 0;
  const bool is_view = view_kind(p) != ViewKind::fused;
  if (is_view) arguments.view = view_settings(p, visible, to);
  // Samples of two pictures lie where they will; between them there is nothing of either.
  const bool is_composed = is_view && arguments.view.arrangement != Arrangement::one;
  for (int i = 0; i < visible.planes; ++i) {
    if (!is_view && !is_copied(visible, i)) continue;
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
  if (before_ && (p.noise != before_->noise || p.draws != before_->draws || p.distance != before_->distance))
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
  for (std::size_t k = 0; k < sources.size(); ++k) {
    const NoiseSetting::Source& source = noise.of(k);
    settings.noise_is_automatic[k] = source.automatic;
    settings.white[k] = source.white, settings.column[k] = source.column;
  }
}

/// The sources whose noise this frame takes away, as bits.
std::uint32_t GradientFrame::decide_noise(GradientPlan& plan, Flight& flight) {
  GradientPlan::Slot& slot = plan.slots[flight.lane];
  const GradientSettings& settings = slot.arguments->settings;
  std::uint32_t given = 0, automatic = 0;
  if (student_)
    for (std::size_t k = 0; k < flight.sources; ++k) {
      if (settings.noise_is_automatic[k])
        automatic |= 1u << k;
      else if (settings.white[k] + settings.column[k] > 0)
        given |= 1u << k;
    }
  if (restart_noise_) {
    std::uint32_t found = 0;
    if (automatic != 0) {
      const std::size_t marked = lanes_[flight.lane].marked;
      start_reading(plan, flight.kind);
      lanes_[flight.lane].marked = marked;
      backend_->copy(slot.numbers, plan.stream.numbers, sizeof(StreamNumbers));
      backend_->wait();
      found = found_noise(*slot.numbers, flight.sources);
    }
    ++starts_;
    decisions_.assign(lanes_.size(), found);
  }
  flight.start = starts_;
  flight.decided = decisions_.front();  // each frame takes one and, when it is finished, brings one
  return given | (flight.decided & automatic);
}

/// A part of a frame as a graph, after the first times; false where it is none.
bool GradientFrame::play(GradientPlan& plan, const FrameKind& kind, const std::function<void()>& part) {
  std::unique_ptr<Graph>& graph = plan.graphs[kind];
  int& direct = plan.direct[kind];
  const bool use_graphs = graphs_ && !timed_;
  if (use_graphs && !graph && direct >= frames_before_capture && !plan.refused.contains(kind)) {
    graph = backend_->capture(part);
    if (!graph) plan.refused.insert(kind), counts_.capture_failed = true;
  }
  if (use_graphs && graph) {
    graph->replay();
    return true;
  }
  backend_->start(part);
  ++direct;
  return false;
}

/// From the arguments on; all of it but a first frame's look at its noise without waiting.
void GradientFrame::start(Flight& flight) {
  GradientPlan& plan = *flight.plan;
  GradientPlan::Slot& slot = plan.slots[flight.lane];
  Lane& lane = lanes_[flight.lane];
  lane.marked = 0;

  // The slot's memory is free, on both sides: the frame before in this lane is finished, so all that it
  // started was done when `downloaded` was waited for.
  mark("start", *upload_);
  upload_->copy(slot.in.device, slot.in.host, static_cast<std::size_t>(slot.in.bytes));
  mark("upload", *upload_);
  lane.uploaded->record();
  backend_->follow(*lane.uploaded);
  // One graph serves all slots, so it has its arguments in one place.
  backend_->copy(const_cast<FrameArguments*>(plan.stream.arguments), slot.in.device, sizeof(FrameArguments));

  if (flight.kind.fuses) flight.kind.noisy = decide_noise(plan, flight);
  FrameKind kind = flight.kind;
  bool replayed = false;
  if (!batch_ || !kind.fuses) {
    replayed = play(plan, kind, [this, &plan, kind] { start_frame(plan, kind); });
  } else {
    const FrameKind reading{0, ViewKind::fused, true, Stretch::before_network};  // for all of them
    const bool read = play(plan, reading, [this, &plan, reading] { start_reading(plan, reading); });
    batch_->evaluate(plan.features, plan.told, places_of(kind.noisy), plan.outputs, before_->batch_wait);
    mark("network");
    kind.stretch = Stretch::after_network;
    replayed = play(plan, kind, [this, &plan, kind] { start_rest(plan, kind); }) && read;
  }
  counts_.replayed += replayed;
  // The next frame's kernels write these numbers again, perhaps before they are downloaded: what the host
  // reads is a copy that is made in between, in the stream of the kernels.
  backend_->copy(slot.out.device, plan.stream.numbers, sizeof(StreamNumbers));
  lane.computed->record();
  download_->follow(*lane.computed);
  download_->copy(slot.out.host, slot.out.device, static_cast<std::size_t>(slot.out.bytes));
  mark("download", *download_);
  lane.downloaded->record();
}

void GradientFrame::begin(std::span<const Image> sources, std::span<const at::Tensor> ready,
                          std::span<const bool> negative, const Image& output, const Parameters& p,
                          std::span<const InfraredWork> infrared) {
  if (flights_.size() == lanes_.size())
    throw Error(ErrorCode::invalid_argument,
                std::to_string(flights_.size()) + " frames are begun and none of them is finished");
  // cuDNN's choices are a thread's own, so who records a frame must have seen it before.
  if (std::exchange(thread_, std::this_thread::get_id()) != std::this_thread::get_id())
    for (const auto& plan : plans_) plan->direct.clear();
  backend_->run([&] {
    try {
      Flight flight{.plan = plan_for(sources, ready, infrared, output),
                    .lane = lane_,
                    .kind = {0, view_kind(p), needs_of(p).fused},
                    .output = output,
                    .sources = sources.size()};
      fill_arguments(*flight.plan, lane_, sources, ready, negative, output, p, infrared);
      start(flight);
      flights_.push_back(std::move(flight));
    } catch (...) {
      settle();  // nothing reads the pictures, or the slot that the next frame fills, any more
      throw;
    }
    const bool fuses = flights_.back().kind.fuses;
    if (fuses) decisions_.pop_front();
    restart_ = !fuses;  // what comes after a view of a source is no next frame
    // Where there is no student nobody looks at the noise; what one before has found stays.
    restart_noise_ = !fuses || (restart_noise_ && !student_);
    lane_ = (lane_ + 1) % lanes_.size();
  });
}

void GradientFrame::finish() {
  if (flights_.empty()) throw Error(ErrorCode::invalid_argument, "no frame is begun");
  const Flight flight = std::move(flights_.front());
  flights_.pop_front();
  if (flight.dropped) throw Error(ErrorCode::device, "the device failed in the frame before");
  backend_->run([&] {
    Lane& lane = lanes_[flight.lane];
    try {
      backend_->wait(*lane.downloaded);
    } catch (...) {
      settle();
      for (Flight& next : flights_) next.dropped = true;
      reset();
      throw;
    }
    ++counts_.frames;
    evaluations_ = flight.kind.fuses ? flight.sources : 0;
    infrared_share_.reset();

    parts_.clear();
    for (std::size_t i = 1; i < lane.marked; ++i)
      parts_.push_back(
          {lane.marks[i].name, lane.marks[i].event->milliseconds_since(*lane.marks[i - 1].event)});

    const GradientPlan::Slot& slot = flight.plan->slots[flight.lane];
    const bool failed = flight.kind.fuses && slot.numbers->holes > 0;
    if (flight.kind.fuses && flight.start == starts_)
      decisions_.push_back(failed ? flight.decided : found_noise(*slot.numbers, flight.sources));
    if (failed) throw Error(ErrorCode::internal, "the network's result isn't finite; try precision=float32");
    if (flight.kind.fuses) infrared_share_ = slot.numbers->infrared_share;
    if (slot.result.bytes > 0) copy_rows(packed(flight.output, slot.result.host), flight.output);
  });
}

void GradientFrame::fuse(std::span<const Image> sources, std::span<const at::Tensor> ready,
                         std::span<const bool> negative, const Image& output, const Parameters& p,
                         std::span<const InfraredWork> infrared) {
  if (!flights_.empty()) throw Error(ErrorCode::invalid_argument, "a frame is begun and not finished");
  begin(sources, ready, negative, output, p, infrared);
  finish();
}

}  // namespace digfusion
