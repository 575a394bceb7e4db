#pragma once
#include <cstdint>
#include "hal/result.h"
namespace acpi { inline void set_root(uint64_t) {} inline Result<void> power_off() { return Error::not_found; } inline Result<void> reset() { return Error::not_found; } }
