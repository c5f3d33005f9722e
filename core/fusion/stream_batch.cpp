// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/stream_batch.h"

#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

#include "core/device/fitting_batches.h"
#include "core/device/stream_order.h"
#include "core/fusion/rendezvous.h"
#include "core/fusion/shared_places.h"

namespace digfusion {
namespace {

/// One stream's pictures, and room for what they come back with. Both are memory of its own stream of the
/// GPU, so that nobody else's work is in the way when they are freed.
struct Item {
  const at::Tensor& pictures;
  std::span<const NoiseLevel> noise;
  GradientEstimates result;
  StreamPoint ready{};  // the pictures and the room
  StreamPoint done{};   // the result
};

GradientEstimates room_for(const at::Tensor& pictures, const UNetConfig& config) {
  const std::int64_t cell = 2 * config.unshuffle;  // of the error maps
  return {at::empty_like(pictures),
          at::empty({pictures.size(0), config.side, pictures.size(2) / cell, pictures.size(3) / cell},
                    pictures.options())};
}

void evaluate(const GradientStudent& student, std::span<Item* const> items) {
  std::vector<at::Tensor> pictures;
  std::vector<NoiseLevel> noise;
  for (Item* item : items) {
    item->ready.before_mine(item->pictures.device());
    pictures.push_back(item->pictures);
    noise.insert(noise.end(), item->noise.begin(), item->noise.end());
  }
  const GradientEstimates all = student.estimate(at::cat(pictures), noise);
  std::int64_t first = 0;
  for (Item* item : items) {
    const std::int64_t count = item->pictures.size(0);
    item->result.clean.copy_(all.clean.narrow(0, first, count));
    item->result.error.copy_(all.error.narrow(0, first, count));
    item->done.mark(item->pictures.device());
    first += count;
  }
}

}  // namespace

/// Where streams of one kind meet.
struct StreamBatch::Place {
  Place(std::shared_ptr<const GradientStudent> network, int streams, std::int64_t height, std::int64_t width)
      : student(std::move(network)), meeting(std::size_t(streams), [=, this](std::span<Item* const> items) {
          const auto all = std::int64_t(items.size());
          batches.run(all, height, width, all, [&](std::int64_t first, std::int64_t count) {
            evaluate(*student, items.subspan(std::size_t(first), std::size_t(count)));
          });
        }) {}

  const std::shared_ptr<const GradientStudent> student;
  FittingBatches batches;  // of streams
  Rendezvous<Item> meeting;
};

struct StreamBatch::Seat {
  Seat(const std::shared_ptr<Place>& place, std::int64_t rows, std::int64_t columns)
      : height(rows), width(columns), member(std::shared_ptr<Rendezvous<Item>>(place, &place->meeting)) {}
  std::int64_t height, width;
  Rendezvous<Item>::Member member;
};

StreamBatch::StreamBatch(std::shared_ptr<const GradientStudent> student, int streams)
    : student_(std::move(student)), streams_(streams) {}

StreamBatch::~StreamBatch() = default;

GradientEstimates StreamBatch::estimate(const at::Tensor& pictures, std::span<const NoiseLevel> noise,
                                        double milliseconds) {
  const std::int64_t height = pictures.size(2), width = pictures.size(3);
  if (!seat_ || seat_->height != height || seat_->width != width) {
    using Key = std::tuple<const GradientStudent*, int, std::int64_t, std::int64_t>;
    static SharedPlaces<Key, Place> places;
    seat_.reset();
    const auto make = [&] { return std::make_shared<Place>(student_, streams_, height, width); };
    seat_ = std::make_unique<Seat>(places.at({student_.get(), streams_, height, width}, make), height, width);
  }
  Item item{pictures, noise, room_for(pictures, student_->config())};
  item.ready.mark(pictures.device());
  seat_->member.come(item, std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                               std::chrono::duration<double, std::milli>(milliseconds)));
  item.done.before_mine(pictures.device());
  return std::move(item.result);
}

}  // namespace digfusion
