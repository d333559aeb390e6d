# The API and its migrations. Nothing is installed: the base image has Python, the code needs no more.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
WORKDIR /app
COPY pantry/ pantry/
COPY db/ db/
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
EXPOSE 8080
CMD ["python3", "-m", "pantry.server"]
