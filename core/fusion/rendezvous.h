// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Threads that come with work at about the same time have it done together, by one of them. No tensors.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace digfusion {

/// Where the members meet. Whoever comes joins the batch that is open, or opens one. It goes, without those
/// who aren't there,
///   - when it has `most` items,
///   - when all members who are awaited have come,
///   - when any of its items has waited as long as it was willing to.
/// A member is awaited from when it comes; one that a batch went without isn't awaited until it comes again.
/// So who pauses or leaves costs the others one wait at most. Members that are out of step would be waited
/// for in vain each time: one that has been so often enough in a row is awaited no more, but once in many
/// times, until it shares a batch. Batches are filled in the order of arrival, and the next one fills while
/// one is worked on.
template <class Item>
class Rendezvous {
 public:
  using Clock = std::chrono::steady_clock;
  /// Does the work of a batch, in one of its threads, with nothing locked; batches may overlap. What it
  /// throws is thrown to every member of the batch.
  using Work = std::function<void(std::span<Item* const>)>;

  Rendezvous(std::size_t most, Work work) : most_(most), work_(std::move(work)) {}

  /// How many items the open batch has so far.
  std::size_t waiting() const {
    const std::scoped_lock lock(mutex_);
    return open_ ? open_->items.size() : 0;
  }

  /// One who may come, from one thread at a time.
  class Member {
   public:
    explicit Member(std::shared_ptr<Rendezvous> place) : place_(std::move(place)) { place_->enter(*this); }
    ~Member() { place_->leave(*this); }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /// Returns when the item's work is done. `patience` bounds the wait for others, not the work.
    void come(Item& item, Clock::duration patience) { place_->come(*this, item, patience); }

   private:
    friend class Rendezvous;
    const std::shared_ptr<Rendezvous> place_;
    // Under the place's lock:
    bool awaited_ = false;
    int in_vain_ = 0;    // so often in a row
    int unawaited_ = 0;  // came so often since, and nobody waits for it
  };

  /// A member is awaited in vain so often in a row, and after that once in so many times that it comes.
  static constexpr int patience_with_one = 8, between_tries = 64;

 private:
  enum class State { open, working, done };
  struct Batch {
    State state = State::open;
    std::vector<Item*> items;
    std::vector<const Member*> members;  // whose the items are
    Clock::time_point deadline = Clock::time_point::max();
    std::exception_ptr error{};
  };

  void enter(Member& member) {
    const std::scoped_lock lock(mutex_);
    members_.push_back(&member);
  }
  void leave(Member& member) {
    const std::scoped_lock lock(mutex_);
    std::erase(members_, &member);
    changed_.notify_all();  // the others may be complete now
  }

  void come(Member& member, Item& item, Clock::duration patience) {
    std::unique_lock lock(mutex_);
    if (!member.awaited_ && (member.in_vain_ < patience_with_one || ++member.unawaited_ % between_tries == 0))
      member.awaited_ = true;
    if (!open_) open_ = std::make_shared<Batch>();
    const std::shared_ptr<Batch> batch = open_;
    batch->items.push_back(&item);
    batch->members.push_back(&member);
    if (const auto until = Clock::now() + patience; until < batch->deadline) {
      batch->deadline = until;
      changed_.notify_all();  // who waits for it waits for less
    }
    while (batch->state == State::open && !complete(*batch) && Clock::now() < batch->deadline)
      changed_.wait_until(lock, batch->deadline);
    if (batch->state == State::open)
      work_on(*batch, lock);
    else
      changed_.wait(lock, [&] { return batch->state == State::done; });
    if (batch->error) std::rethrow_exception(batch->error);
  }

  bool complete(const Batch& batch) const {
    return batch.items.size() >= most_ ||
           std::none_of(members_.begin(), members_.end(),
                        [&](const Member* m) { return m->awaited_ && !has(batch, m); });
  }
  static bool has(const Batch& batch, const Member* member) {
    return std::find(batch.members.begin(), batch.members.end(), member) != batch.members.end();
  }

  void work_on(Batch& batch, std::unique_lock<std::mutex>& lock) {
    batch.state = State::working;
    open_.reset();
    for (Member* member : members_) {
      if (has(batch, member)) {
        if (batch.items.size() == 1) continue;
        member->awaited_ = true;
        member->in_vain_ = member->unawaited_ = 0;
      } else if (member->awaited_ && batch.items.size() < most_) {
        member->awaited_ = false;
        ++member->in_vain_;
      }
    }
    lock.unlock();
    try {
      work_(batch.items);
    } catch (...) {
      batch.error = std::current_exception();
    }
    lock.lock();
    batch.state = State::done;
    changed_.notify_all();
  }

  const std::size_t most_;
  const Work work_;
  mutable std::mutex mutex_;  // of all below, and of the members' and the batches' state
  std::condition_variable changed_;
  std::vector<Member*> members_;
  std::shared_ptr<Batch> open_;
};

}  // namespace digfusion
