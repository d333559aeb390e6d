ARG BASE
FROM ${BASE}
COPY page/ /page/
