# dream3d on a CPU:
#   docker build -t dream3d .
#   docker run --rm -v "$PWD/outputs:/dreams/outputs" dream3d prompt="a corgi"
FROM python:3.11-slim
COPY pyproject.toml constraints.txt README.md LICENSE /opt/dream3d/
COPY conf /opt/dream3d/conf
COPY dream3d /opt/dream3d/dream3d
RUN pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu \
 && pip install --no-cache-dir -c /opt/dream3d/constraints.txt /opt/dream3d
RUN useradd --create-home dreamer && mkdir -p /dreams/outputs && chown -R dreamer /dreams
USER dreamer
WORKDIR /dreams
RUN dream3d doctor && dream3d prompt="a corgi" steps=2 refine.steps=2 turntable=0 out=/tmp/corgi && rm -r /tmp/corgi
ENTRYPOINT ["dream3d"]
CMD ["--help"]
