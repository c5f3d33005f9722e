// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Somebody else's program: what is installed must compile, link and run it (install_test.sh, ../package/).
#include <core/interface/interface.h>

int main() {
  digfusion::Status status;
  const digfusion::StreamFuser* fuser =
      digfusion_create(digfusion::abi_version, sizeof(digfusion::Parameters), &status);
  delete fuser;
  return fuser && status.ok() && digfusion_abi_version() == digfusion::abi_version ? 0 : 1;
}
