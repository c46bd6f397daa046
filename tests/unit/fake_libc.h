/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The C library's functions that fake_libc.c stands before, under the names that the
 * linker gives them (--wrap in tests/Makefile). The fake's own waits are these, or they would be
 * taken for waits of the backend.
 */
#ifndef NB_FAKE_LIBC_H
#define NB_FAKE_LIBC_H

#include <pthread.h>
#include <stddef.h>

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
int __real_posix_memalign(void **mem, size_t align, size_t size);

#endif /* NB_FAKE_LIBC_H */
