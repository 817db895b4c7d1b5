/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The variable that names the CPU of the calling host thread.
 *
 * THEORY
 * machine_oncpu() in machine.h reads this variable.  On Linux it is
 * thread-local, so it is NULL on each new host thread, and the host sets it on
 * the host threads that run a CPU.  On the simulated host one host thread runs
 * all CPUs, and the variable changes when another CPU continues.  This file is
 * below both hosts, because code of the processor (x86_64/escape.c) reads the
 * variable too.
 */
#include "machine/hostlib.h"
#include "machine/machine.h"

#ifdef LWKT_HOST_SIM
struct mcpu *lwkt__sim_mcpu;
#else
__thread struct mcpu *lwkt__tls_mcpu;
#endif
