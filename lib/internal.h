/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the library share. Includes the public header so that
 * exactly what is declared there is visible outside the library, which is
 * otherwise built with -fvisibility=hidden; libnbread.map gives it a version.
 */
#ifndef NBREAD_INTERNAL_H
#define NBREAD_INTERNAL_H

#pragma GCC visibility push(default)
#include <libnbread.h>
#pragma GCC visibility pop

#include "backend.h"

#endif /* NBREAD_INTERNAL_H */
