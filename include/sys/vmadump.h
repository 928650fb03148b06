/*
 * sys/vmadump.h - the names that vmadump itself had for bproc_dump() and its kin: ENOSYS, see bproc(3)
 */
#ifndef BPROC_SYS_VMADUMP_H
#define BPROC_SYS_VMADUMP_H

#ifdef __cplusplus
extern "C" {
#endif

int vmadump_dump(int fd, int flags);
int vmadump_undump(int fd);
int vmadump_execdump(int fd, int flags, const char *cmd, char *const argv[], char *const envp[]);
int vmadump_libclear(void);
int vmadump_libadd(const char *libname);
int vmadump_libdel(const char *libname);
int vmadump_liblist(char **list);

#ifdef __cplusplus
}
#endif
#endif
