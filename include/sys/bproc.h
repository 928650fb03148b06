/*
 * sys/bproc.h - <bproc.h> under the name that programs know
 */
#include <bproc.h>
