# Run by cpack between staging and packing: what Debian's policy asks of the files, for each package.
#
# The time is that of the changelog, which SOURCE_DATE_EPOCH sets, so that packages are reproducible.
string(TIMESTAMP time "%a, %d %b %Y %H:%M:%S +0000" UTC)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# The file LICENSE of a folder becomes the file copyright, in Debian's form.
function(write_copyright folder)
  file(READ ${folder}/LICENSE text)
  file(REMOVE ${folder}/LICENSE)
  string(REGEX MATCH "Copyright [^\n]*" holder "${text}")
  string(REGEX REPLACE "^Copyright \\(c\\) " "" holder "${holder}")
  string(REGEX REPLACE "^.*(Permission is hereby)" "\\1" text "${text}")
  string(STRIP "${text}" text)
  string(REPLACE "\n\n" "\n.\n" text "${text}")
  string(REPLACE "\n" "\n " text "${text}")
  file(WRITE ${folder}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: gpt2run

Files: *
Copyright: ${holder}
License: Expat

License: Expat
 ${text}
")
endfunction()

foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(usr ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr)
  set(doc ${usr}/share/doc)
  file(MAKE_DIRECTORY ${doc})
  if(component STREQUAL runtime)
    write_copyright(${doc}/gpt2run)
    file(WRITE ${doc}/gpt2run/changelog.Debian
         "gpt2run (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
         "  * Version ${CPACK_PACKAGE_VERSION}: CHANGELOG.md says what is new.\n\n"
         " -- ${CPACK_PACKAGE_CONTACT}  ${time}\n")
    run(gzip -9n ${doc}/gpt2run/changelog.Debian)
    file(WRITE ${usr}/share/lintian/overrides/gpt2run
         "# Plugins that call nothing of it: the program that opens them has it.\n"
         "gpt2run: library-not-linked-against-libc [usr/lib/gpt2run/gpt2run-*]\n")
  else()
    # All packages of one source share its copyright and changelog.
    file(CREATE_LINK gpt2run ${doc}/${package} SYMBOLIC)
  endif()

  file(GLOB pages ${usr}/share/man/man1/*.1)
  if(pages)
    run(gzip -9n ${pages})
  endif()
  if(EXISTS ${usr}/share/zsh/site-functions)
    file(RENAME ${usr}/share/zsh/site-functions ${usr}/share/zsh/vendor-completions)
  endif()
  file(GLOB_RECURSE archives ${usr}/lib/*.a)
  if(archives)
    run(strip --strip-debug --enable-deterministic-archives ${archives})
  endif()
  file(GLOB_RECURSE libraries ${usr}/lib/*.so ${usr}/libexec/*.so)
  if(libraries)
    file(CHMOD ${libraries} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  endif()
  if(component STREQUAL python3)
    # The package shares the plugins and the demo model of the programs.
    set(module ${usr}/lib/python3/dist-packages/gpt2run)
    file(MAKE_DIRECTORY ${module}/lib ${module}/share)
    file(CREATE_LINK ../../../../gpt2run ${module}/lib/gpt2run SYMBOLIC)
    file(CREATE_LINK ../../../../../share/gpt2run ${module}/share/gpt2run SYMBOLIC)
  endif()
endforeach()
