// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The inline functions of the public header once more, as symbols: bindings of
 * other languages cannot use the inline ones. The off_t and the timespec of these
 * symbols are those that the library was built with (64-bit, and the machine's own).
 */
#define NBREAD_INLINE
#include "internal.h"
