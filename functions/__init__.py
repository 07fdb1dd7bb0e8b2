"""One folder per deployed function; this file keeps the package name ours."""
