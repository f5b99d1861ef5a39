#ifndef HZ_TESTS_FAULT_FOLDER_H
#define HZ_TESTS_FAULT_FOLDER_H
/* folder - the files of a directory as a whole; not the directories in it, nor hidden files. */

void folder_clear(const char *path);
/* Without what the simulated disk notes for itself. */
void folder_copy(const char *from, const char *to);

#endif
