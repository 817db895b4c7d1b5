/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The everyday part of the API: boot, threads, sleep and wakeup, locks, message
 * ports, pipes, I/O, functions that block, system calls, reports.
 */
#ifndef LWKT_LWKT_H
#define LWKT_LWKT_H

#include <lwkt/types.h>
#include <lwkt/boot.h>
#include <lwkt/thread.h>
#include <lwkt/synch.h>
#include <lwkt/sync.h>
#include <lwkt/msgport.h>
#include <lwkt/pipe.h>
#include <lwkt/io.h>
#include <lwkt/blocking.h>
#include <lwkt/syscall.h>
#include <lwkt/panic.h>

#endif
