// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/notice.h"

#include <gtest/gtest.h>

namespace digfusion::pipelines {
namespace {

using std::chrono::milliseconds;

FusionStatus running() {
  FusionStatus status;
  for (CameraStatus* camera : {&status.visible, &status.infrared}) {
    camera->state = CameraState::playing;
    camera->frames = 100;
  }
  status.fused = 100;
  return status;
}

constexpr Shown whole{View::fused, View::fused, true, true};

TEST(NoticeTest, NothingToSayWhileAllIsWell) {
  EXPECT_EQ(notice_of(whole, running()), "");
  EXPECT_EQ(notice_of({View::infrared, View::infrared, true, true}, running()), "");
}

TEST(NoticeTest, ALostCameraIsNamedWithWhatIsShownInsteadAndWhatIsDone) {
  FusionStatus status = running();
  status.visible.state = CameraState::waiting;
  status.visible.next_try = milliseconds(3200);
  EXPECT_EQ(notice_of({View::fused, View::infrared, false, true}, status),
            "VISIBLE LOST, infrared only: next try in 4 s");
  EXPECT_EQ(notice_of({View::visible, {}, false, true}, status), "VISIBLE LOST: next try in 4 s");

  status = running();
  status.infrared.silent = milliseconds(2900);
  EXPECT_EQ(notice_of({View::side_by_side, View::fused, true, false}, status),
            "INFRARED LOST, visible only: no picture for 3 s");
  status.infrared.state = CameraState::connecting;
  EXPECT_EQ(notice_of({View::fused, View::fused, true, false}, status),
            "INFRARED LOST, visible only: connecting again");
}

TEST(NoticeTest, BothLostAreTwoLines) {
  FusionStatus status = running();
  for (CameraStatus* camera : {&status.visible, &status.infrared}) {
    camera->state = CameraState::waiting;
    camera->next_try = milliseconds(1000);
  }
  EXPECT_EQ(notice_of({View::fused, {}, false, false}, status),
            "VISIBLE LOST: next try in 1 s\nINFRARED LOST: next try in 1 s");
}

TEST(NoticeTest, ACameraThatHasNeverBeenThereIsntLost) {
  EXPECT_EQ(notice_of({View::fused, {}, false, false}, FusionStatus()),
            "NO VISIBLE PICTURE: connecting\nNO INFRARED PICTURE: connecting");
}

TEST(NoticeTest, APictureThatIsNotFusedIsNotTakenForOne) {
  const Shown visible_only{View::fused, View::visible, true, true};
  FusionStatus status = running();
  EXPECT_EQ(notice_of(visible_only, status), "NO FUSED PICTURE, visible only");
  status.fused = 0;
  EXPECT_EQ(notice_of(visible_only, status), "The fusion is starting, visible only");
}

}  // namespace
}  // namespace digfusion::pipelines
