// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The inline functions of the public header once more, as symbols: bindings of
 * other languages cannot use the inline ones.
 */
#define NBREAD_INLINE
#include "internal.h"
