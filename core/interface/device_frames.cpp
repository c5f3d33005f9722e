// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/interface/device_frames.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <optional>

#include "core/fusion/method.h"
#include "core/image/gray_image.h"
#include "core/image/placement.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

/// A plane in CUDA memory as a tensor of bytes; borrowed.
at::Tensor bytes_of(const Image& image, int plane) {
  const Plane& p = image.plane[plane];
  return at::from_blob(p.data, {p.rows, std::int64_t(p.row_bytes)}, {std::int64_t(p.stride), 1},
                       at::TensorOptions().dtype(at::kByte).device(
                           at::Device(at::kCUDA, static_cast<at::DeviceIndex>(image.device))));
}

}  // namespace

InfraredInput prepare_infrared(const Image* sources, std::size_t i, const Parameters& p,
                               const ThermalSettings& settings, ThermalSource& thermal,
                               Registrar& registrar) {
  InfraredInput made;
  made.image = cropped(sources[i], settings);
  if (settings.dead_pixels == DeadPixels::correct) {
    const HostImages host(sources + i, 1, sources[i]);
    made.ready = thermal.read(host.sources()[0], settings, false);
  } else {
    std::optional<HostImages> host;
    if (looks_at_samples(made.image, settings)) host.emplace(&made.image, 1, made.image);
    const SampleRule rule = thermal.follow(host ? host->sources()[0] : made.image, settings);
    made.work.curve = rule.curve;
    made.negative = rule.negative;
  }
  const Image &from = made.image, &to = sources[0];
  if (registrar.registers())
    made.work.table = &registrar.table(i, {from.width, from.height}, {to.width, to.height});
  else
    made.work.placement = place(from.width, from.height, from.pixel_aspect, to.width, to.height,
                                to.pixel_aspect, p.infrared_fit);
  return made;
}

void DeviceFrames::configure(const Fuser& fuser) {
  const Parameters& p = fuser.parameters();
  const DeviceChoice& choice = fuser.choice();
  if (!choice.device.is_cuda() || !has_backend(choice.device) || !GradientFrame::takes(p)) {
    frame_.reset();
    return;
  }
  if (frame_ && evidence_ == p.evidence && model_ == fuser.model()) return;
  // Where the new one can't be made, nothing is left that would fuse by the old network.
  const std::unique_ptr<GradientFrame> before = std::move(frame_);
  frame_ = std::make_unique<GradientFrame>(
      make_backend(choice.device),
      p.evidence == EvidenceSource::student ? gradient_student_of(p, choice.device, choice.network) : nullptr,
      true, p.batch_streams > 1 ? 1 : p.frames_in_flight, p.batch_streams);
  if (before) frame_->inherit(*before);
  evidence_ = p.evidence;
  model_ = fuser.model();
}

bool DeviceFrames::takes(const Parameters& p) const {
  return frame_ && GradientFrame::takes(p) && p.registration_refine == Refinement::off;
}

void DeviceFrames::begin(const Image* sources, std::size_t count, const Image& output, const Parameters& p,
                         const Prepare& prepare) {
  const int here = frame_->backend().device().index();
  for (std::size_t i = 0; i <= count; ++i) {
    const Image& image = i < count ? sources[i] : output;
    if (image.memory == Memory::cuda && image.device != here)
      throw Error(ErrorCode::invalid_argument,
                  "a picture is in the memory of cuda:" + std::to_string(image.device) +
                      ", and the fusion is on cuda:" + std::to_string(here) +
                      "; copy it there first, or give device=cuda:" + std::to_string(image.device));
  }
  std::vector<Image> pictures(sources, sources + count);
  std::vector<at::Tensor> ready(count);
  std::vector<InfraredWork> work(count);
  bool negative[max_sources] = {};
  for (std::size_t i = 1; i < count; ++i) {
    const InfraredInput made = prepare(i);
    pictures[i] = made.image;
    ready[i] = made.ready;
    work[i] = made.work;
    negative[i] = made.negative;
  }
  frame_->begin(pictures, ready, {negative, count}, output, p, work);
}

void DeviceFrames::reset() {
  if (frame_) frame_->reset();
}

void DeviceFrames::warm_up(int width, int height, const Parameters& p) {
  std::vector<std::uint8_t> samples(std::size_t(width) * std::size_t(height), 128), fused(samples.size());
  const Image image = gray_image(samples.data(), width, height);
  const Image sources[] = {image, image};
  Image output = image;
  output.plane[0].data = fused.data();
  frame_->fuse(sources, {}, {}, output, p);
  frame_->release();
}

HostImages::HostImages(const Image* sources, std::size_t count, const Image& output)
    : sources_(sources, sources + count), given_(output), output_(output) {
  const auto bring = [](Image& image, bool filled, std::vector<at::Tensor>& copies) {
    if (image.memory == Memory::host) return;
    if (!at::globalContext().hasCUDA() || at::detail::getCUDAHooks().deviceCount() == 0)
      throw Error(
          ErrorCode::invalid_argument,
          "a picture is in CUDA memory, and this digfusion has no GPU to read it with; bring it to system "
          "memory (cudadownload)");
    for (int p = 0; p < image.planes; ++p) {
      const at::Tensor device = bytes_of(image, p);
      copies.push_back(filled ? device.cpu().contiguous()
                              : at::empty(device.sizes(), at::TensorOptions().dtype(at::kByte)));
      image.plane[p].data = copies.back().mutable_data_ptr<std::uint8_t>();
      image.plane[p].stride = copies.back().size(1);
    }
    image.memory = Memory::host;
  };
  for (Image& image : sources_) bring(image, true, copies_);
  bring(output_, false, written_);
}

void HostImages::finish() const {
  for (std::size_t p = 0; p < written_.size(); ++p) bytes_of(given_, int(p)).copy_(written_[p]);
}

}  // namespace digfusion
