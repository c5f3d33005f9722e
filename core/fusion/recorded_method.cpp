// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/recorded_method.h"

#include <algorithm>
#include <exception>

#include "core/device/failure.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr int frames_before_capture = 2;
constexpr std::size_t most_recordings = 3, most_refused = 32;

/// Without what concerns pictures before and after a method. A parameter that isn't named here makes one more
/// graph, at worst; one that is named mustn't be looked at in a recordable method's fuse().
Parameters looked_at(Parameters p) {
  const Parameters plain;
  p.preset = plain.preset;
  p.threads = plain.threads;
  p.batch_streams = plain.batch_streams, p.batch_wait = plain.batch_wait;
  p.frames_in_flight = plain.frames_in_flight;
  p.contrast = plain.contrast;
  p.infrared_fit = plain.infrared_fit;
  p.registration = plain.registration;
  p.registration_refine = plain.registration_refine, p.registration_limit = plain.registration_limit;
  p.gain_control = plain.gain_control;
  p.thermal_range = plain.thermal_range;
  p.radiometry = plain.radiometry;
  p.crop_top = p.crop_bottom = p.crop_left = p.crop_right = 0;
  p.dead_pixels = plain.dead_pixels;
  p.polarity = plain.polarity;
  p.mode = plain.mode, p.compare = plain.compare, p.split_position = plain.split_position;
  p.palette = plain.palette;
  p.highlight_above = plain.highlight_above;
  return p;
}

}  // namespace

void RecordedMethod::run(const std::function<void()>& frame) {
  const at::Device device = backend_->device();
  std::exception_ptr failure;
  before_.mark(device);
  backend_->run([&] {
    before_.before_mine(device);
    try {
      frame();
    } catch (...) {
      failure = std::current_exception();
    }
    after_.mark(device);
  });
  after_.before_mine(device);
  if (failure) std::rethrow_exception(failure);
}

at::Tensor RecordedMethod::fuse(FusionMethod& method, const at::Tensor& sources, const Parameters& p,
                                NoiseFields& noise) {
  ++counts_.frames;
  const Key key{sources.sizes().vec(), looked_at(p)};
  const auto found = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const auto& recording) { return recording->key == key; });
  if (found != recordings_.end()) {
    recordings_.splice(recordings_.begin(), recordings_, found);
    return replay(*recordings_.front(), method, sources);
  }

  if (key != direct_.key || direct_.thread != std::this_thread::get_id()) {
    direct_ = {};
    direct_.key = key;
    direct_.thread = std::this_thread::get_id();
  }
  if (direct_.forgotten != noise.forgotten()) direct_.frames = 0;  // another setting's frame came between
  if (direct_.frames >= frames_before_capture &&
      std::find(refused_.begin(), refused_.end(), key) == refused_.end()) {
    if (auto recording = record(method, sources, key, noise)) {
      recordings_.push_front(std::move(recording));
      if (recordings_.size() > most_recordings) recordings_.pop_back();
      ++counts_.recorded;
      return replay(*recordings_.front(), method, sources);
    }
    refused_.push_front(key);
    if (refused_.size() > most_refused) refused_.pop_back();
    ++counts_.failed;
  }

  at::Tensor fused = fuse_directly(method, sources, p, noise);
  ++direct_.frames;
  direct_.forgotten = noise.forgotten();
  direct_.result = fused.sizes().vec();
  direct_.weights.clear();
  for (const at::Tensor& weights : method.visible_weights()) direct_.weights.push_back(weights.sizes().vec());
  return fused;
}

void RecordedMethod::forget() {
  recordings_.clear();
  refused_.clear();
  direct_ = {};
}

at::Tensor RecordedMethod::fuse_directly(FusionMethod& method, const at::Tensor& sources, const Parameters& p,
                                         NoiseFields& noise) {
  try {
    return method.fuse(sources, p, noise.of(p.seed));
  } catch (const std::exception& error) {
    if (recordings_.empty() || failure_of(error).code != ErrorCode::out_of_memory) throw;
  }
  recordings_.clear();  // the memory between their kernels is theirs alone
  return method.fuse(sources, p, noise.of(p.seed));
}

std::unique_ptr<RecordedMethod::Recording> RecordedMethod::record(FusionMethod& method,
                                                                  const at::Tensor& sources, const Key& key,
                                                                  NoiseFields& noise) {
  if (!noise.all_kept()) return nullptr;  // what is drawn anew can't be in a graph
  auto recording = std::make_unique<Recording>();
  Recording& r = *recording;
  r.key = key;
  // All that stays is allocated before the capture, whose own memory is only the graph's.
  const auto room = [&](const Sizes& sizes) { return at::empty(sizes, sources.options()); };
  r.sources = room(key.sizes);
  r.result = room(direct_.result);
  for (const Sizes& sizes : direct_.weights) r.weights.push_back(room(sizes));
  r.graph = backend_->capture([&r, &method, &noise] {
    const Parameters& p = r.key.parameters;
    const NoiseField kept = [&](std::int64_t number, std::int64_t height, std::int64_t width) {
      at::Tensor& field = r.noise[number];
      if (!field.defined()) field = noise.kept(p.seed, number, height, width);
      if (!field.defined()) throw Error(ErrorCode::internal, "a graph needs a noise field that isn't kept");
      return field;
    };
    r.result.copy_(method.fuse(r.sources, p, kept));
    const std::vector<at::Tensor> weights = method.visible_weights();
    for (std::size_t i = 0; i < r.weights.size(); ++i) r.weights[i].copy_(weights.at(i));
    r.evaluations = method.evaluations();
  });
  if (!r.graph) return nullptr;
  return recording;
}

at::Tensor RecordedMethod::replay(Recording& r, FusionMethod& method, const at::Tensor& sources) {
  r.sources.copy_(sources);
  r.graph->replay();
  ++counts_.replayed;
  method.recall(r.weights, r.evaluations);  // which the graph doesn't tell it
  return r.result;
}

}  // namespace digfusion
