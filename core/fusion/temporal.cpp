// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/temporal.h"

#include <algorithm>
#include <cstdint>

#include "core/image/resample.h"

namespace digfusion {
namespace {

constexpr double least_noise = 3 * 2 / 255.;     // what compressed video changes by where nothing moves
constexpr double contrast_share = 0.03;          // of the variance around a block: texture is coded anew, too
constexpr double drift_gain = 4;                 // noise has less of a say in the mean over a wider place
constexpr double starts_to_move = 3, moves = 6;  // times the usual mean square
constexpr double starts_to_renew = 0.5, renews = 0.8;  // of the frame
constexpr double noise_adaptation = 0.1, fastest_noise = 4;

/// Means of 2×2, by an interpolation that is faster than pooling.
at::Tensor halved(const at::Tensor& maps) {
  return resample(maps, (maps.size(2) + 1) / 2, (maps.size(3) + 1) / 2);
}

/// Back on a grid that is finer by `factor`.
at::Tensor enlarged(const at::Tensor& maps, std::int64_t factor, const at::Tensor& like) {
  return resample(maps, maps.size(2) * factor, maps.size(3) * factor)
      .narrow(2, 0, like.size(2))
      .narrow(3, 0, like.size(3));
}

/// Means over some 3×3.
at::Tensor smoothed(const at::Tensor& maps) { return enlarged(halved(maps), 2, maps); }

/// The largest of 3×3; of what isn't negative.
at::Tensor dilated(const at::Tensor& maps) {
  at::Tensor result = at::constant_pad_nd(maps, {1, 1, 1, 1});
  for (const std::int64_t dim : {2, 3}) {
    const std::int64_t size = maps.size(dim);
    result = at::maximum(at::maximum(result.narrow(dim, 0, size), result.narrow(dim, 1, size)),
                         result.narrow(dim, 2, size));
  }
  return result;
}

}  // namespace

SceneChange SceneMemory::follow(const at::Tensor& sources, double still_share) {
  const at::Tensor now = halved(sources), blocks = halved(now);
  const at::Tensor contrast = smoothed(blocks.square()).sub_(smoothed(blocks).square_()).clamp_min_(0);
  SceneChange result;
  result.shift.assign(static_cast<std::size_t>(sources.size(0)), 0.);
  if (!mean_.defined()) {
    mean_ = now;
    contrast_ = contrast;
    noise_ = at::full({sources.size(0), 1, 1, 1}, least_noise * least_noise, sources.options());
    return result;
  }
  at::Tensor change = now - mean_;
  const at::Tensor shift = std::get<0>(halved(halved(change)).flatten(1).median(1)).view({-1, 1, 1, 1});
  change.sub_(shift);
  const at::Tensor energy = halved(change.square()), drift = smoothed(halved(change)).square_();
  const at::Tensor usual = noise_ + at::minimum(contrast, contrast_) * contrast_share;
  const at::Tensor excess = at::maximum(energy, drift * drift_gain).div_(usual);
  // Neighbours of what moves are released with it: interpolation reaches into them.
  at::Tensor motion = dilated(excess.sub_(starts_to_move).mul_(1 / (moves - starts_to_move)).clamp_(0, 1));
  const double moving = motion.mean({1, 2, 3}, false, at::kDouble).max().item<double>();
  result.renewal = std::clamp((moving - starts_to_renew) / (renews - starts_to_renew), 0., 1.);

  motion = motion.amax(0, true).clamp_min_(result.renewal);
  const at::Tensor share = motion * (1 - still_share) + still_share;
  result.share = enlarged(share, 4, sources);
  const at::Tensor shifts = shift.flatten().cpu();
  for (std::size_t k = 0; k < result.shift.size(); ++k) result.shift[k] = shifts.const_data_ptr<float>()[k];

  mean_ = at::lerp(mean_ + shift, now, enlarged(share, 2, now).expand_as(now));
  contrast_ = contrast;
  // The quietest quarter shows noise alone, also where much moves.
  const at::Tensor places = halved(energy).flatten(1);
  const at::Tensor quiet = std::get<0>(places.kthvalue(places.size(1) / 4 + 1, 1)).view({-1, 1, 1, 1});
  noise_ = at::lerp(noise_, at::minimum(quiet, noise_ * fastest_noise), noise_adaptation)
               .clamp_min_(least_noise * least_noise);
  return result;
}

at::Tensor mean_over_time(const at::Tensor& before, const at::Tensor& now, const SceneChange& change,
                          double shift) {
  return at::lerp(shift == 0 ? before : before + shift, now, change.share.expand_as(now));
}

}  // namespace digfusion
