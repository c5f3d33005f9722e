// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/network_batch.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <mutex>
#include <span>
#include <tuple>
#include <utility>

#include "core/device/block_copies.h"
#include "core/device/fitting_batches.h"
#include "core/device/worker.h"
#include "core/fusion/rendezvous.h"
#include "core/fusion/shared_places.h"

namespace digfusion {
namespace {

constexpr std::size_t most_evaluations = 8;
constexpr int batches_before_capture = 2;  // in which cuDNN chooses and LibTorch's allocator fills

struct Item {
  Backend& backend;
  const Event& ready;
  const at::Tensor &features, &told;
  const std::vector<std::int64_t>& noisy;
  const UNetOutputs& room;
};

std::byte* row_of(const at::Tensor& rows, std::int64_t row) {
  return static_cast<std::byte*>(rows.data_ptr()) +
         row * static_cast<std::int64_t>(rows.nbytes()) / rows.size(0);
}

/// Copies of rows, as few kernels.
class RowCopies {
 public:
  explicit RowCopies(const Kernels& kernels) : kernels_(kernels) {}
  void add(const at::Tensor& to, std::int64_t to_row, const at::Tensor& from, std::int64_t from_row) {
    if (copies_.count == BlockCopies::most) start();
    copies_.copy[copies_.count++] = {row_of(from, from_row), row_of(to, to_row),
                                     static_cast<std::int64_t>(from.nbytes()) / from.size(0)};
  }
  void start() {
    if (copies_.count > 0) kernels_.copy_blocks(copies_);
    copies_.count = 0;
  }

 private:
  const Kernels& kernels_;
  BlockCopies copies_{};
};

/// A row of the batch.
struct Row {
  const Item* item;
  std::int64_t picture;  // of the item
  std::int64_t fine;     // its place among the item's pictures whose noise is taken away, or -1
};

/// Pictures whose noise is taken away come first, so that of two batches with as many of them each is the
/// other's graph.
std::vector<Row> rows_of(std::span<Item* const> items) {
  std::vector<Row> rows, others;
  for (const Item* item : items) {
    std::int64_t fine = 0;
    for (std::int64_t k = 0; k < item->features.size(0); ++k)
      if (fine < std::int64_t(item->noisy.size()) && item->noisy[std::size_t(fine)] == k)
        rows.push_back({item, k, fine++});
      else
        others.push_back({item, k, -1});
  }
  rows.insert(rows.end(), others.begin(), others.end());
  return rows;
}

/// Where a row of the outputs goes.
struct Delivery {
  UNetOutputs room;
  std::int64_t picture, fine;  // as in Row
};

/// A few sizes of batches for all: each costs cuDNN's search for algorithms and a graph. No more than a
/// quarter is evaluated for nothing.
std::int64_t rounded_up(std::int64_t count) {
  std::int64_t step = 1;
  while (8 * step <= count) step *= 2;
  return (count + step - 1) / step * step;
}

/// The network for a number of pictures, without the noise of the first `fine` of them.
struct Evaluation {
  Evaluation(std::int64_t count, std::int64_t first) : rows(count), fine(first) {}
  std::int64_t rows, fine;
  UNetOutputs outputs{};
  std::unique_ptr<Graph> graph{};
  int direct = 0;        // evaluations without one
  bool refused = false;  // it couldn't be recorded
};

}  // namespace

/// Where streams of one kind meet.
struct NetworkBatch::Place {
  Place(std::shared_ptr<const GradientStudent> network, const Backend& like, int streams)
      : student(std::move(network)),
        backend(like.another()),
        done(backend->event()),
        meeting(std::size_t(streams), [this](std::span<Item* const> items) { evaluate(items); }) {}

  ~Place() {
    try {
      backend->wait();  // what is freed now may be in use
    } catch (const std::exception&) {
      // A device that fails says so to the streams.
    }
  }

  /// A batch, after another one is in the device's stream.
  void evaluate(std::span<Item* const> items) {
    const std::scoped_lock lock(mutex);
    backend->run([&] {
      // However it ends, no stream overtakes what reads and writes its memory here.
      const auto go_on = [&] {
        done->record();
        for (Item* item : items) item->backend.follow(*done);
      };
      try {
        for (const Item* item : items) backend->follow(item->ready);
        const auto all = std::int64_t(items.size());
        const at::Tensor& one = items[0]->features;
        batches.run(all, one.size(2), one.size(3), all, [&](std::int64_t first, std::int64_t count) {
          evaluate_part(items.subspan(std::size_t(first), std::size_t(count)));
        });
      } catch (...) {
        try {
          go_on();
        } catch (const std::exception&) {
          // The first error says more.
        }
        throw;
      }
      go_on();
    });
  }

  void evaluate_part(std::span<Item* const> items) {
    const std::vector<Row> rows = rows_of(items);
    // What is in rows behind those of the items stays from before, and goes nowhere.
    const std::int64_t count = rounded_up(std::int64_t(rows.size()));
    reserve(count, items[0]->features);
    RowCopies copies(backend->kernels());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      copies.add(features, std::int64_t(i), rows[i].item->features, rows[i].picture);
      copies.add(told, std::int64_t(i), rows[i].item->told, rows[i].picture);
    }
    copies.start();
    const auto fine = std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.fine >= 0; });
    const std::shared_ptr<Evaluation> evaluation = evaluation_for(count, std::min(count, rounded_up(fine)));
    start(*evaluation);
    std::vector<Delivery> deliveries;
    for (const Row& row : rows) deliveries.push_back({row.item->room, row.picture, row.fine});
    backend->start([this, evaluation, deliveries = std::move(deliveries)] {
      deliver(evaluation->outputs, deliveries);
      if (!evaluation->graph) evaluation->outputs = {};
    });
    ++counts.batches;
    counts.streams += items.size();
  }

  void deliver(const UNetOutputs& outputs, const std::vector<Delivery>& deliveries) {
    RowCopies copies(backend->kernels());
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
      const Delivery& to = deliveries[i];
      copies.add(to.room.side, to.picture, outputs.side, std::int64_t(i));
      if (to.fine >= 0) copies.add(to.room.fine, to.fine, outputs.fine, std::int64_t(i));
    }
    copies.start();
  }

  /// Room for the rows' features. Graphs know its address.
  void reserve(std::int64_t rows, const at::Tensor& like) {
    if (features.defined() && rows <= features.size(0)) return;
    const std::int64_t more = std::max(rows, features.defined() ? 2 * features.size(0) : 0),
                       channels = like.size(1), height = like.size(2), width = like.size(3);
    const auto bytes = static_cast<std::size_t>(more * channels * height * width) * like.element_size(),
               told_at = (bytes + 255) / 256 * 256;
    if (features.defined()) backend->wait();  // while streams arrive
    evaluations.clear();
    memory = backend->buffer(told_at + static_cast<std::size_t>(more) * 4 * sizeof(float));
    features = at::from_blob(memory.mutable_data_ptr(), {more, height, width, channels}, like.options())
                   .permute({0, 3, 1, 2});
    told = at::from_blob(static_cast<std::byte*>(memory.mutable_data_ptr()) + told_at, {more, 4},
                         like.options().dtype(at::kFloat));
  }

  std::shared_ptr<Evaluation> evaluation_for(std::int64_t rows, std::int64_t fine) {
    const auto found = std::find_if(evaluations.begin(), evaluations.end(),
                                    [&](const auto& e) { return e->rows == rows && e->fine == fine; });
    if (found != evaluations.end()) {
      evaluations.splice(evaluations.begin(), evaluations, found);
    } else {
      evaluations.push_front(std::make_shared<Evaluation>(rows, fine));
      if (evaluations.size() > most_evaluations) evaluations.pop_back();
    }
    return evaluations.front();
  }

  /// The evaluation is kept until its outputs are delivered.
  void start(Evaluation& evaluation) {
    const auto network = [this, &evaluation, x = features.narrow(0, 0, evaluation.rows),
                          levels = told.narrow(0, 0, evaluation.rows)] {
      std::vector<std::int64_t> noisy;
      for (std::int64_t i = 0; i < evaluation.fine; ++i) noisy.push_back(i);
      UNetOutputs out = student->evaluate(x, levels, noisy);
      // Of one layout whatever cuDNN returns, as the rooms are.
      for (at::Tensor* rows : {&out.fine, &out.side})
        if (rows->defined()) *rows = rows->contiguous(at::MemoryFormat::ChannelsLast);
      evaluation.outputs = std::move(out);
    };
    const auto in_worker = [&](const std::function<void()>& work) {
      worker.run([&] { backend->run(work); });
    };
    if (!evaluation.graph && !evaluation.refused && evaluation.direct >= batches_before_capture) {
      in_worker([&] { evaluation.graph = backend->capture(network); });
      evaluation.refused = !evaluation.graph;
      counts.capture_failed = counts.capture_failed || evaluation.refused;
    }
    if (evaluation.graph) {
      evaluation.graph->replay();
      ++counts.replayed;
    } else {
      in_worker([&] { backend->start(network); });
      ++evaluation.direct;
    }
  }

  const std::shared_ptr<const GradientStudent> student;
  std::mutex mutex;  // of all below but the meeting, whose batches may overlap
  const std::unique_ptr<Backend> backend;
  const std::unique_ptr<Event> done;
  FittingBatches batches;  // of streams
  at::Tensor memory, features, told;
  Worker worker;
  std::list<std::shared_ptr<Evaluation>> evaluations;  // the last used first
  NetworkBatchCounts counts;
  Rendezvous<Item> meeting;
};

struct NetworkBatch::Seat {
  Seat(const std::shared_ptr<Place>& at, std::int64_t rows, std::int64_t columns)
      : place(at),
        height(rows),
        width(columns),
        member(std::shared_ptr<Rendezvous<Item>>(at, &at->meeting)) {}
  std::shared_ptr<Place> place;
  std::int64_t height, width;
  Rendezvous<Item>::Member member;
};

NetworkBatch::NetworkBatch(Backend& backend, std::shared_ptr<const GradientStudent> student, int streams)
    : backend_(backend), student_(std::move(student)), streams_(streams), ready_(backend.event()) {}

NetworkBatch::~NetworkBatch() = default;

void NetworkBatch::leave() { seat_.reset(); }

NetworkBatchCounts NetworkBatch::counts() const {
  if (!seat_) return {};
  const std::scoped_lock lock(seat_->place->mutex);
  NetworkBatchCounts counts = seat_->place->counts;
  counts.device = seat_->place->backend->counts();
  return counts;
}

UNetOutputs NetworkBatch::room_for(const at::Tensor& features) const {
  const auto room = [&](std::int64_t channels, std::int64_t shrink) {
    const std::int64_t count = features.size(0), height = features.size(2) / shrink,
                       width = features.size(3) / shrink;
    const at::Tensor memory = backend_.buffer(static_cast<std::size_t>(count * channels * height * width) *
                                              features.element_size());
    return memory.view(features.scalar_type()).view({count, height, width, channels}).permute({0, 3, 1, 2});
  };
  return {room(student_->config().outputs, 1), room(student_->config().side, 2)};
}

void NetworkBatch::evaluate(const at::Tensor& features, const at::Tensor& told,
                            const std::vector<std::int64_t>& noisy, const UNetOutputs& room,
                            double milliseconds) {
  const std::int64_t height = features.size(2), width = features.size(3);
  if (!seat_ || seat_->height != height || seat_->width != width) {
    using Key = std::tuple<const GradientStudent*, int, std::int64_t, std::int64_t>;
    static SharedPlaces<Key, Place> places;
    seat_.reset();
    const auto make = [&] { return std::make_shared<Place>(student_, backend_, streams_); };
    seat_ = std::make_unique<Seat>(places.at({student_.get(), streams_, height, width}, make), height, width);
  }
  ready_->record();
  Item item{backend_, *ready_, features, told, noisy, room};
  seat_->member.come(item, std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                               std::chrono::duration<double, std::milli>(milliseconds)));
}

}  // namespace digfusion
